"""What a group promises of its workers, and every way in which one may differ."""

from dataclasses import replace
from typing import Any

import pytest

from deploy.cluster.instances import Instance
from deploy.cluster.ray_api import RayNode
from deploy.release.settings import Group
from deploy.verify.promises import broken_promises
from tests.unit.deploy.builders import a_group, an_image, an_instance

GROUP = a_group(
    name="gpu",
    instance_types=("g6.xlarge", "g5.xlarge"),
    markets=("spot",),
    image=an_image("ami-gpu"),
    cpus=4,
    gpus=1,
    resources=(("big_disk", 2),),
    labels=(("team", "search"),),
    object_store_gib=3,
    zones=("us-east-1a",),
)
# As Ray 2.60 lists such a node.
RESOURCES = {
    "CPU": 4.0,
    "driver": 1000.0,
    "GPU": 1.0,
    "memory": 9663676416.0,
    "object_store_memory": 3221225472.0,
    "node:10.77.0.9": 1.0,
    "accelerator_type:L4": 1.0,
    "big_disk": 2.0,
}
LABELS = {
    "ray.io/node-id": "0a1b",
    "ray.io/node-group": "gpu",
    "ray.io/accelerator-type": "L4",
    "team": "search",
}


def an_instance_of_it(**changes: Any) -> Instance:
    facts = {"type": "g5.xlarge", "market": "spot", "ami_id": "ami-gpu", "zone": "us-east-1a"}
    return replace(an_instance("i-1", "worker"), **facts | changes)


def a_node(
    resources: dict[str, float] | None = None, labels: dict[str, str] | None = None
) -> RayNode:
    return RayNode(
        "id-1",
        "10.77.0.9",
        is_head=False,
        state="ALIVE",
        resources=RESOURCES if resources is None else resources,
        labels=LABELS if labels is None else labels,
    )


def without(values: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in keys}


def test_a_worker_as_promised_breaks_nothing() -> None:
    assert broken_promises(GROUP, an_instance_of_it(), a_node()) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"type": "g4dn.xlarge"}, "instance type g4dn.xlarge, not g6.xlarge or g5.xlarge"),
        ({"market": "on-demand"}, "market on-demand, not spot"),
        ({"zone": "us-east-1b"}, "zone us-east-1b, not us-east-1a"),
        ({"ami_id": "ami-old"}, "image ami-old, not ami-gpu"),
    ],
)
def test_what_ec2_launched_otherwise_is_named(changes: dict[str, str], words: str) -> None:
    assert broken_promises(GROUP, an_instance_of_it(**changes), a_node()) == (words,)


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        (RESOURCES | {"CPU": 2.0}, "CPU 2 in Ray, 4 promised"),
        (without(RESOURCES, "GPU"), "GPU 0 in Ray, 1 promised"),
        (without(RESOURCES, "big_disk"), "big_disk 0 in Ray, 2 promised"),
        (RESOURCES | {"big_disk": 0.5}, "big_disk 0.5 in Ray, 2 promised"),
        (RESOURCES | {"fast": 1.0}, "fast 1 in Ray, not promised"),
        (
            RESOURCES | {"object_store_memory": 1e9},
            "object_store_memory 1000000000 in Ray, 3221225472 promised",
        ),
    ],
)
def test_a_resource_that_ray_counts_otherwise_is_named(
    resources: dict[str, float], words: str
) -> None:
    assert broken_promises(GROUP, an_instance_of_it(), a_node(resources)) == (words,)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (without(LABELS, "team"), "label team missing in Ray, search promised"),
        (LABELS | {"team": ""}, "label team empty in Ray, search promised"),
        (LABELS | {"team": "ads"}, "label team ads in Ray, search promised"),
        (LABELS | {"old": "x"}, "label old x in Ray, not promised"),
        (LABELS | {"ray.io/node-group": "cpu"}, "label ray.io/node-group cpu in Ray, gpu promised"),
        (
            without(LABELS, "ray.io/accelerator-type"),
            "no driver of its GPUs answers Ray",
        ),
    ],
)
def test_a_label_that_ray_shows_otherwise_is_named(labels: dict[str, str], words: str) -> None:
    assert broken_promises(GROUP, an_instance_of_it(), a_node(labels=labels)) == (words,)


def test_a_group_that_asks_for_no_size_leaves_the_object_store_to_ray() -> None:
    group: Group = replace(GROUP, object_store_gib=0, zones=())

    node = a_node(RESOURCES | {"object_store_memory": 1e9})
    assert broken_promises(group, an_instance_of_it(zone="us-east-1f"), node) == ()


def test_the_driver_says_which_gpus_there_are_where_all_are_of_one_kind() -> None:
    promised = (*GROUP.resources, ("accelerator_type:L4", 1))
    group = replace(GROUP, instance_types=("g6.xlarge",), resources=promised)
    instance = an_instance_of_it(type="g6.xlarge")

    assert broken_promises(group, instance, a_node()) == ()
    other = a_node(labels=LABELS | {"ray.io/accelerator-type": "T4"})
    assert broken_promises(group, instance, other) == ("GPUs T4 by their driver, L4 promised",)
    assert broken_promises(GROUP, an_instance_of_it(), other) == ()


def test_gpus_whose_name_ray_does_not_know_are_not_asked_for_it() -> None:
    group = replace(GROUP, instance_types=("g4ad.xlarge",))
    node = a_node(labels=without(LABELS, "ray.io/accelerator-type"))

    assert broken_promises(group, an_instance_of_it(type="g4ad.xlarge"), node) == ()


def test_everything_that_differs_is_named() -> None:
    found = broken_promises(GROUP, an_instance_of_it(type="m6i.large"), a_node({}, {}))

    assert len(found) == 9
