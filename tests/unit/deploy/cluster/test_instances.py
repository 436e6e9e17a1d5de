"""The instances of a cluster, as EC2 lists them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.cluster.instances import Instance, find_instances
from deploy.cluster.ray_instances import ray_instances
from tests.unit.answers import Answers
from tests.unit.deploy.builders import an_environment

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def entry(name: str, role: str, minute: int = 0, **changes: Any) -> dict[str, Any]:
    tags = {"raykiln:environment": "dev", "raykiln:role": role, **changes.pop("tags", {})}
    return {
        "InstanceId": name,
        "State": {"Name": "running"},
        "InstanceType": "m6i.large",
        "ImageId": f"ami-{role}",
        "PrivateIpAddress": f"10.0.0.{minute}",
        "Placement": {"AvailabilityZone": "us-east-1a"},
        "LaunchTime": NOON.replace(minute=minute),
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    } | changes


def page(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"Reservations": [{"Instances": [one]} for one in entries]}


def test_heads_and_workers_come_oldest_first() -> None:
    head = {"raykiln:content": "c1", "raykiln:autoscaler": "s3://b/a.yaml"}
    gpu = {"raykiln:group": "gpu", "ray-user-node-type": "gpu-type", "raykiln:content": "c2"}
    aws: Any = Answers(
        describe_instances=(
            page(entry("i-2", "worker", 2, tags=gpu, InstanceLifecycle="spot")),
            page(entry("i-3", "head", 2), entry("i-1", "head", 1, tags=head)),
        )
    )

    assert find_instances(aws, "dev") == (
        Instance(
            id="i-1",
            role="head",
            state="running",
            type="m6i.large",
            ami_id="ami-head",
            address="10.0.0.1",
            zone="us-east-1a",
            content="c1",
            autoscaler="s3://b/a.yaml",
            launched="2026-11-22T12:01:00+00:00",
            node_type="",
            market="on-demand",
            group="",
        ),
        Instance(
            id="i-2",
            role="worker",
            state="running",
            type="m6i.large",
            ami_id="ami-worker",
            address="10.0.0.2",
            zone="us-east-1a",
            content="c2",
            autoscaler="",
            launched="2026-11-22T12:02:00+00:00",
            node_type="gpu-type",
            market="spot",
            group="gpu",
        ),
        Instance(
            id="i-3",
            role="head",
            state="running",
            type="m6i.large",
            ami_id="ami-head",
            address="10.0.0.2",
            zone="us-east-1a",
            content="",
            autoscaler="",
            launched="2026-11-22T12:02:00+00:00",
        ),
    )
    states = ["pending", "running", "shutting-down", "stopping", "stopped"]
    assert aws.requests == [
        (
            "ec2:describe_instances",
            {
                "Filters": [
                    {"Name": "tag:raykiln:environment", "Values": ["dev"]},
                    {"Name": "tag:raykiln:role", "Values": ["head", "worker"]},
                    {"Name": "instance-state-name", "Values": states},
                ]
            },
        )
    ]


@pytest.mark.parametrize(
    ("tags", "group"),
    [
        ({"raykiln:group": "gpu", "ray-user-node-type": "cpu"}, "gpu"),
        ({"ray-user-node-type": "cpu"}, "cpu"),
        ({}, "worker"),
    ],
)
def test_a_worker_from_before_groups_has_ray_s_tag_alone(tags: dict[str, str], group: str) -> None:
    aws: Any = Answers(describe_instances=page(entry("i-1", "worker", tags=tags)))

    assert [one.group for one in find_instances(aws, "dev")] == [group]


@pytest.mark.parametrize(
    ("state", "is_there"),
    [("pending", True), ("running", True), ("stopping", False), ("shutting-down", False)],
)
def test_an_instance_is_there_while_it_runs_or_will(state: str, is_there: bool) -> None:
    (found,) = find_instances(
        Answers(describe_instances=page(entry("i-1", "worker", State={"Name": state}))),  # type: ignore[arg-type]
        "dev",
    )

    assert found.is_there is is_there


def test_ray_s_nodes_are_the_leader_and_the_running_workers() -> None:
    lease = {"holder": "i-1", "address": "10.0.0.1", "epoch": 1, "beat": 1, "released": False}
    item: dict[str, Any] = {
        key: {"BOOL": value}
        if isinstance(value, bool)
        else {"N": str(value)}
        if isinstance(value, int)
        else {"S": value}
        for key, value in lease.items()
    }
    aws: Any = Answers(
        get_item={"Item": item},
        describe_instances=page(
            entry("i-1", "head", 1),
            entry("i-2", "head", 2),
            entry("i-3", "worker", 3),
            entry("i-4", "worker", 4, State={"Name": "pending"}),
        ),
    )

    found = ray_instances(aws, an_environment())

    assert {address: one.id for address, one in found.items()} == {
        "10.0.0.1": "i-1",
        "10.0.0.3": "i-3",
    }
