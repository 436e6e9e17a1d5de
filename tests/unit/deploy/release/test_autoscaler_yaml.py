"""The autoscaler's YAML: what Ray's autoscaler v2 needs, and no mistakes that it fails on."""

import json
from typing import Any

import yaml

from deploy.release.autoscaler_yaml import autoscaler_yaml, mistakes_of
from deploy.release.release import Settings, settings_of
from tests.unit.deploy.builders import an_environment


def rendered(override: dict[str, Any] | None = None) -> dict[str, Any]:
    environment = an_environment()
    settings: Settings = settings_of(environment, json.dumps(override or {}))
    text = autoscaler_yaml(environment, settings, "lt-1", 3, ("subnet-a", "subnet-b"))
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_workers_are_launched_from_a_numbered_version_without_ssh() -> None:
    config = rendered()

    worker = config["available_node_types"]["worker"]
    assert worker["node_config"] == {
        "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "3"},
        "SubnetIds": ["subnet-a", "subnet-b"],
    }
    assert (worker["min_workers"], worker["max_workers"]) == (1, 3)
    assert worker["resources"] == {"CPU": 2}
    assert config["provider"]["disable_node_updaters"] is True


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
    assert (worker["idle_timeout_s"], worker["resources"]) == (30, {"CPU": 2})


def test_what_raykiln_makes_is_what_ray_accepts() -> None:
    environment = an_environment()

    assert mistakes_of(environment, settings_of(environment), {}, "2.60.0") == ()


def test_what_ray_would_refuse_is_named_with_its_key() -> None:
    environment = an_environment()
    override = {"available_node_types": {"worker": {"priority": "high"}}, "max_workers": 0}

    found = mistakes_of(environment, settings_of(environment), override, "2.60.0")

    assert found == ("available_node_types.worker.priority: 'high' is not of type 'integer'",)
