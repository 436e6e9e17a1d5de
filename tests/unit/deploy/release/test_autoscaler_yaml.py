"""The autoscaler's YAML: what Ray's autoscaler v2 needs, and no mistakes that it fails on."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.errors import Refused
from deploy.release.autoscaler_yaml import autoscaler_yaml, read_override
from deploy.release.ray_schema import mistakes
from tests.unit.deploy.builders import a_group, an_environment, the_settings


def rendered(override: dict[str, Any] | None = None) -> dict[str, Any]:
    environment = an_environment()
    settings = the_settings(environment, json.dumps(override or {}))
    text = autoscaler_yaml(environment, settings, "lt-1", 3, ("subnet-a", "subnet-b"))
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
    assert worker["resources"] == {"CPU": 2}
    assert config["provider"]["disable_node_updaters"] is True


def test_workers_are_launched_by_our_provider_and_ray_accepts_all_of_it() -> None:
    config = rendered()

    assert config["provider"]["type"] == "external"
    assert config["provider"]["module"] == "node.ray.provider.GroupProvider"
    assert config["provider"]["launches_file"] == "/run/ray/launches.json"
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

    config = yaml.safe_load(autoscaler_yaml(an_environment(), settings, "lt-1", 3, ("subnet-a",)))

    found = config["available_node_types"]["gpu"]
    assert found["resources"] == {"CPU": 4, "GPU": 1, "big_disk": 1}
    assert found["labels"] == {"team": "search"}
    assert found["node_config"]["InstanceTypes"] == ["g6.xlarge", "g5.xlarge"]
    assert found["node_config"]["Markets"] == ["spot", "on-demand"]
    assert mistakes(config, "2.60.0") == ()


def test_images_from_before_groups_launch_by_ray_s_own_provider() -> None:
    settings = replace(the_settings(an_environment()), before_groups=True)

    config = yaml.safe_load(autoscaler_yaml(an_environment(), settings, "lt-1", 3, ("subnet-a",)))

    assert config["provider"]["type"] == "aws"
    assert config["available_node_types"]["worker"]["node_config"] == {
        "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "3"},
        "SubnetIds": ["subnet-a"],
    }


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
    override = {"available_node_types": {"worker": {"resources": {"GPU": 1}}}, "max_workers": 2}

    config = rendered(override)

    assert config["max_workers"] == 2
    assert config["available_node_types"]["worker"]["resources"] == {"CPU": 2, "GPU": 1}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ({"available_node_types": {"worker": {"min_workers": 9}}}, "above max_workers"),
        ({"available_node_types": {"worker": {"min_workers": "two"}}}, "whole numbers"),
        ({"available_node_types": {"gpu": {"node_config": {}}}}, r"gpu\.resources is missing"),
        ({"available_node_types": {"gpu": {"resources": {}, "max_workers": 1}}}, "SubnetIds"),
        ({"available_node_types": {"worker": None}}, r"worker\.resources is missing"),
        ({"available_node_types": []}, "available_node_types"),
        ({"max_workers": "many"}, "max_workers"),
    ],
)
def test_a_configuration_that_ray_would_fail_on_is_refused(
    override: dict[str, Any], words: str
) -> None:
    with pytest.raises(Refused, match=words):
        rendered(override)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_workers: [1", "is not YAML"),
        ("- a list", "not keys and values"),
        ("provider: {type: gcp}", "provider is set by Raykiln"),
    ],
)
def test_an_invalid_override_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "dev.autoscaler.yaml"
    path.write_text(text)

    with pytest.raises(Refused, match=words):
        read_override(path)


def test_a_missing_override_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no such file"):
        read_override(tmp_path / "none.yaml")


def test_an_empty_override_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing yet\n")

    assert json.loads(read_override(path)) == {}
