"""The autoscaler's YAML: what Ray's autoscaler v2 needs, and no mistakes that it fails on."""

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from deploy.release.autoscaler_yaml import Source, autoscaler_yaml, mistakes_of, removed_in
from deploy.release.ray_schema import mistakes
from tests.unit.deploy.builders import a_group, an_environment, the_settings

SOURCE = Source("lt-1", 3, ("subnet-a", "subnet-b"))


def rendered(override: dict[str, Any] | None = None) -> dict[str, Any]:
    environment = an_environment()
    settings = the_settings(environment, json.dumps(override or {}))
    text = autoscaler_yaml(environment, settings, {"worker": SOURCE})
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_workers_are_launched_from_a_numbered_version_without_ssh() -> None:
    config = rendered()

    worker = config["available_node_types"]["worker"]
    assert worker["node_config"] == {
        "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "3"},
        "SubnetIds": ["subnet-a", "subnet-b"],
        "InstanceTypes": ["m6i.large"],
        "Markets": ["on-demand"],
    }
    assert (worker["min_workers"], worker["max_workers"]) == (1, 3)
    assert worker["resources"] == {"CPU": 2, "driver": 1000}
    assert config["provider"]["disable_node_updaters"] is True


def test_workers_are_launched_by_our_provider_and_ray_accepts_all_of_it() -> None:
    config = rendered()

    assert config["provider"]["type"] == "external"
    assert config["provider"]["module"] == "node.ray.provider.GroupProvider"
    assert config["provider"]["launches_file"] == "/run/ray/autoscaler/launches.json"
    assert config["provider"]["use_internal_ips"] is True
    assert config["provider"]["cache_stopped_nodes"] is False
    assert mistakes(config, "2.60.0") == ()


def test_a_group_offers_what_its_types_have_and_what_it_is_given() -> None:
    group = a_group(
        name="gpu",
        instance_types=("g6.xlarge", "g5.xlarge"),
        markets=("spot", "on-demand"),
        cpus=4,
        gpus=1,
        resources=(("big_disk", 1),),
        labels=(("team", "search"),),
    )
    settings = replace(the_settings(an_environment()), groups=(group,))

    config = yaml.safe_load(autoscaler_yaml(an_environment(), settings, {"gpu": SOURCE}))

    found = config["available_node_types"]["gpu"]
    assert found["resources"] == {"CPU": 4, "GPU": 1, "big_disk": 1, "driver": 1000}
    assert found["labels"] == {"ray.io/node-group": "gpu", "team": "search"}
    assert found["node_config"]["InstanceTypes"] == ["g6.xlarge", "g5.xlarge"]
    assert found["node_config"]["Markets"] == ["spot", "on-demand"]
    assert mistakes(config, "2.60.0") == ()


def test_images_from_before_groups_launch_by_ray_s_own_provider() -> None:
    settings = replace(the_settings(an_environment()), before_groups=True)

    config = yaml.safe_load(autoscaler_yaml(an_environment(), settings, {"worker": SOURCE}))

    assert config["provider"]["type"] == "aws"
    assert config["idle_timeout_minutes"] == 5
    worker = config["available_node_types"]["worker"]
    assert "idle_timeout_s" not in worker
    assert worker["node_config"] == {
        "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "3"},
        "SubnetIds": ["subnet-a", "subnet-b"],
    }


def several(removed: tuple[str, ...] = (), **override: Any) -> dict[str, Any]:
    """Return the configuration of the groups cpu and gpu, and of those that are removed."""
    groups = (a_group(name="cpu", max=4), a_group(name="gpu", max=2, idle_timeout_minutes=30))
    settings = replace(the_settings(an_environment(), json.dumps(override)), groups=groups)
    gpu = Source("lt-2", 1, ("subnet-b",))
    text = autoscaler_yaml(an_environment(), settings, {"cpu": SOURCE, "gpu": gpu}, removed)
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_each_group_is_a_node_type_with_a_template_subnets_and_idle_timeout_of_its_own() -> None:
    config = several()

    types = config["available_node_types"]
    assert list(types) == ["head", "cpu", "gpu"]
    assert config["max_workers"] == 6
    assert [types[name]["max_workers"] for name in ("cpu", "gpu")] == [4, 2]
    assert [types[name]["idle_timeout_s"] for name in ("cpu", "gpu")] == [300, 1800]
    assert types["gpu"]["node_config"]["LaunchTemplate"] == {
        "LaunchTemplateId": "lt-2",
        "Version": "1",
    }
    assert types["gpu"]["node_config"]["SubnetIds"] == ["subnet-b"]
    assert mistakes(config, "2.60.0") == ()


def test_a_group_with_efa_names_the_interfaces_whose_subnet_each_launch_chooses() -> None:
    interface = {"DeviceIndex": 0, "InterfaceType": "efa", "Groups": ["sg-gpu"]}
    group = a_group(name="gpu", efa_interfaces=1)
    settings = replace(the_settings(an_environment()), groups=(group,))
    source = Source("lt-2", 1, ("subnet-b",), (interface,))

    text = autoscaler_yaml(an_environment(), settings, {"gpu": source})

    config = yaml.safe_load(text)["available_node_types"]["gpu"]["node_config"]
    assert config["NetworkInterfaces"] == [interface]
    assert config["SubnetIds"] == ["subnet-b"]


def test_an_idle_timeout_of_a_persons_own_is_every_groups() -> None:
    config = several(idle_timeout_minutes=1)

    assert config["idle_timeout_minutes"] == 1
    assert "idle_timeout_s" not in config["available_node_types"]["cpu"]


def test_a_removed_group_launches_nothing_and_ray_stops_none_of_its_workers() -> None:
    config = several(removed=("old",), max_workers=3)

    assert config["available_node_types"]["old"] == {
        "node_config": {},
        "resources": {"CPU": 0},
        "min_workers": 0,
        "max_workers": 10_000,
    }
    assert config["max_workers"] == 10_003
    assert mistakes(config, "2.60.0") == ()


def test_removed_groups_are_found_in_a_yaml_again() -> None:
    environment = an_environment()
    settings, sources = the_settings(environment), {"worker": SOURCE}

    without = autoscaler_yaml(environment, settings, sources)
    text = autoscaler_yaml(environment, settings, sources, ("old", "gpu"))

    assert removed_in(text.encode()) == ("gpu", "old")
    assert removed_in(without.encode()) == ()


@pytest.mark.parametrize(
    "body", [b"", b"cluster_name: [\n", b"a: 1", b"[]", b"\xff", b"available_node_types: x"]
)
def test_a_yaml_that_somebody_spoiled_removes_nothing(body: bytes) -> None:
    assert removed_in(body) == ()


def test_the_head_type_launches_nothing_and_runs_no_tasks() -> None:
    config = rendered()

    assert config["head_node_type"] == "head"
    assert config["available_node_types"]["head"] == {
        "node_config": {},
        "resources": {"CPU": 0},
        "min_workers": 0,
        "max_workers": 0,
    }


def test_an_override_is_merged_into_the_generated_configuration() -> None:
    override = {"available_node_types": {"worker": {"idle_timeout_s": 30}}, "max_workers": 2}

    config = rendered(override)

    assert config["max_workers"] == 2
    worker = config["available_node_types"]["worker"]
    assert (worker["idle_timeout_s"], worker["resources"]) == (30, {"CPU": 2, "driver": 1000})


def test_what_raykiln_makes_is_what_ray_accepts() -> None:
    environment = an_environment()

    assert mistakes_of(environment, the_settings(environment), {}, "2.60.0") == ()


def test_what_ray_would_refuse_is_named_with_its_key() -> None:
    environment = an_environment()
    override = {"available_node_types": {"worker": {"priority": "high"}}, "max_workers": 0}

    found = mistakes_of(environment, the_settings(environment), override, "2.60.0")

    assert found == ("available_node_types.worker.priority: 'high' is not of type 'integer'",)
