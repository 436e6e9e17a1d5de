"""What Ray's autoscaler would refuse, by the schema that ships with Ray."""

from typing import Any

import pytest

from bake.ray_lock import Target, pins_for
from common.checkout import REPOSITORY
from deploy.release.ray_schema import mistakes, schema_path

RAY = "2.60.0"


def a_config(**changed: Any) -> dict[str, Any]:
    """Return a configuration that Ray accepts, but for what is given."""
    return {
        "cluster_name": "dev",
        "max_workers": 4,
        "idle_timeout_minutes": 5,
        "provider": {"type": "aws", "region": "us-east-1"},
        "head_node_type": "head",
        "available_node_types": {
            "head": {"node_config": {}, "resources": {"CPU": 0}, "max_workers": 0},
            "cpu": a_type(),
        },
    } | changed


def a_type(**changed: Any) -> dict[str, Any]:
    return {
        "node_config": {},
        "resources": {"CPU": 2},
        "min_workers": 1,
        "max_workers": 4,
    } | changed


def with_type(**changed: Any) -> dict[str, Any]:
    """Return the configuration with another worker's node type."""
    config = a_config()
    config["available_node_types"]["cpu"] = a_type(**changed)
    return config


def test_accepts_what_ray_accepts() -> None:
    assert mistakes(a_config(), RAY) == ()
    labels, resources = {"team": "search"}, {"CPU": 2, "GPU": 1, "memory": 16 * 2**30}
    found = with_type(labels=labels, resources=resources, idle_timeout_s=30, priority=2)
    assert mistakes(found, RAY) == ()


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"max_worker": 5}, "'max_worker' was unexpected"),
        ({"idle_timeout_minutes": "5"}, "idle_timeout_minutes: '5' is not of type 'number'"),
        ({"idle_timeout_minutes": -1}, "idle_timeout_minutes: -1 is less than the minimum of 0"),
        ({"upscaling_speed": "fast"}, "upscaling_speed: 'fast' is not of type 'number'"),
        ({"upscaling_speed": -0.5}, "upscaling_speed: -0.5 is less than the minimum of 0"),
        ({"max_workers": 2.5}, "max_workers: 2.5 is not of type 'integer'"),
        ({"max_workers": True}, "max_workers: True is not of type 'integer'"),
        ({"max_workers": -1}, "max_workers: -1 is less than the minimum of 0"),
        ({"available_node_types": []}, "available_node_types: [] is not of type 'object'"),
        ({"provider": "aws"}, "provider: 'aws' is not of type 'object'"),
    ],
)
def test_refuses_a_setting_and_names_it(changed: dict[str, Any], key: str) -> None:
    (mistake,) = mistakes(a_config(**changed), RAY)
    assert key in mistake


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"resources": {"CPU": "2"}}, "cpu.resources.CPU: '2' is not of type 'integer'"),
        ({"resources": {"CPU": 2.5}}, "cpu.resources.CPU: 2.5 is not of type 'integer'"),
        ({"resources": {"CPU": True}}, "cpu.resources.CPU: True is not of type 'integer'"),
        ({"resources": {"CPU": -2}}, "cpu.resources.CPU: -2 is less than the minimum of 0"),
        ({"resources": {"memory": "16GB"}}, "cpu.resources.memory: '16GB' is not of type"),
        ({"labels": {"shelf": 3}}, "cpu.labels.shelf: 3 is not of type 'string'"),
        ({"min_worker": 3}, "'min_worker' was unexpected"),
        ({"min_workers": "1"}, "cpu.min_workers: '1' is not of type 'integer'"),
        ({"priority": "high"}, "cpu.priority: 'high' is not of type 'integer'"),
        ({"node_config": None}, "cpu.node_config: None is not of type 'object'"),
        ({"min_workers": 5}, "cpu: min_workers (5) is above max_workers (4)"),
    ],
)
def test_refuses_a_node_type_and_names_the_key(changed: dict[str, Any], key: str) -> None:
    assert any(key in mistake for mistake in mistakes(with_type(**changed), RAY))


def test_a_node_type_without_a_maximum_has_that_of_the_cluster() -> None:
    config = a_config()
    del config["available_node_types"]["cpu"]["max_workers"]
    assert mistakes(config, RAY) == ()

    config["available_node_types"]["cpu"]["min_workers"] = 5
    assert mistakes(config, RAY)[0] == (
        "available_node_types.cpu: min_workers (5) is above max_workers (4)"
    )


def test_refuses_more_workers_at_least_than_there_may_be() -> None:
    config = a_config(max_workers=3)
    config["available_node_types"]["gpu"] = a_type(min_workers=3)

    assert mistakes(config, RAY) == ("max_workers (3) is below the sum of all min_workers (4)",)


def test_names_every_mistake_at_once() -> None:
    config = with_type(resources={"CPU": "2"}) | {"max_worker": 5, "idle_timeout_minutes": "5"}

    assert len(mistakes(config, RAY)) == 3


def test_the_ray_that_images_are_baked_with_has_its_own_schema() -> None:
    lock = (REPOSITORY / "ami-provisioners/ray.lock").read_text()
    (version,) = {p.version for p in pins_for(lock, Target("3.11", "x86_64")) if p.name == "ray"}

    assert schema_path(version).stem == version


def test_a_ray_without_a_schema_here_is_held_to_the_newest() -> None:
    assert schema_path("99.0.0") == schema_path(RAY)
