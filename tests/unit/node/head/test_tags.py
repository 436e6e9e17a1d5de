"""Which instance is tagged as Ray's head, on moto's EC2."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws

from node.head.tags import move_head_tags
from tests.unit.node.fakes import an_identity


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # thousands, seconds
    with mock_aws():
        yield boto3.client("ec2", region_name="us-east-1")


def instances(ec2: Any, count: int) -> list[str]:
    image = ec2.register_image(Name=f"image-{uuid4()}", Architecture="x86_64")["ImageId"]
    answer = ec2.run_instances(ImageId=image, MinCount=count, MaxCount=count)
    return [instance["InstanceId"] for instance in answer["Instances"]]


def tags_of(ec2: Any, instance_id: str) -> dict[str, str]:
    filters = [{"Name": "resource-id", "Values": [instance_id]}]
    return {tag["Key"]: tag["Value"] for tag in ec2.describe_tags(Filters=filters)["Tags"]}


def test_the_leader_carries_the_tags_that_ray_looks_for(ec2: Any) -> None:
    (leader,) = instances(ec2, 1)

    move_head_tags(ec2, an_identity(instance_id=leader))

    assert tags_of(ec2, leader) == {
        "ray-cluster-name": "test",
        "ray-node-type": "head",
        "ray-user-node-type": "head",
    }


def test_the_previous_leader_loses_rays_tags_and_keeps_its_others(ec2: Any) -> None:
    old, new = instances(ec2, 2)
    ec2.create_tags(Resources=[old], Tags=[{"Key": "raykiln:role", "Value": "head"}])
    move_head_tags(ec2, an_identity(instance_id=old))

    move_head_tags(ec2, an_identity(instance_id=new))

    assert tags_of(ec2, old) == {"raykiln:role": "head"}
    assert tags_of(ec2, new)["ray-node-type"] == "head"


def test_another_clusters_head_is_left_alone(ec2: Any) -> None:
    theirs, ours = instances(ec2, 2)
    move_head_tags(ec2, an_identity(instance_id=theirs, environment="prod"))

    move_head_tags(ec2, an_identity(instance_id=ours))

    assert tags_of(ec2, theirs)["ray-node-type"] == "head"


def test_moving_the_tags_can_be_repeated(ec2: Any) -> None:
    (leader,) = instances(ec2, 1)
    identity = an_identity(instance_id=leader)

    move_head_tags(ec2, identity)
    move_head_tags(ec2, identity)

    assert tags_of(ec2, leader)["ray-node-type"] == "head"
