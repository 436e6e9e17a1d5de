"""The current state: lease, targets, alarms, images, and who leads."""

from dataclasses import replace
from typing import Any

import pytest

from deploy.cluster.release_images import FoundImage, find_images, images_by_id, missing_images
from deploy.cluster.state import (
    ClusterState,
    Lease,
    Targets,
    find_lease,
    find_targets,
    leader_id,
)
from tests.unit.answers import Answers
from tests.unit.deploy.builders import a_desired_state, a_release, an_environment, serving

ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/gcs/1"


def test_a_lease_is_read_with_all_that_it_says() -> None:
    item = {
        "holder": {"S": "i-1"},
        "address": {"S": "10.0.0.1"},
        "epoch": {"N": "3"},
        "beat": {"N": "41"},
        "released": {"BOOL": True},
        "successor": {"S": "i-2"},
        "autoscaler": {"S": "s3://b/a.yaml"},
        "autoscaler_refused": {"S": "s3://b/b.yaml too new"},
    }
    aws: Any = Answers(get_item={"Item": item})

    assert find_lease(aws, an_environment()) == Lease(
        holder="i-1",
        address="10.0.0.1",
        epoch=3,
        beat=41,
        released=True,
        successor="i-2",
        autoscaler="s3://b/a.yaml",
        refused="s3://b/b.yaml too new",
    )


def test_what_a_lease_does_not_say_is_empty() -> None:
    some: Any = Answers(get_item={"Item": {"cluster": {"S": "dev"}}})
    none: Any = Answers(get_item={})

    assert find_lease(some, an_environment()) == Lease("", "", 0, 0, released=False)
    assert find_lease(none, an_environment()) is None


LEASE = Lease("i-1", "10.0.0.1", 1, 1, released=False)


@pytest.mark.parametrize(
    ("lease", "leader"),
    [
        (LEASE, "i-1"),
        (replace(LEASE, released=True), ""),
        (replace(LEASE, holder="i-9"), ""),
        (None, ""),
    ],
)
def test_the_leader_is_the_running_head_that_holds_the_lease(
    lease: Lease | None, leader: str
) -> None:
    assert leader_id(lease, ("i-1", "i-2")) == leader


def test_targets_have_their_health_and_the_reason() -> None:
    def target(name: str, state: str, **reason: str) -> dict[str, Any]:
        return {"Target": {"Id": name}, "TargetHealth": {"State": state, **reason}}

    entries = [
        target("i-1", "healthy"),
        target("i-2", "unhealthy", Reason="Target.FailedHealthChecks"),
    ]
    aws: Any = Answers(describe_target_health={"TargetHealthDescriptions": entries})

    (found,) = find_targets(aws, (ARN,))

    assert found == Targets(
        ARN, (("i-1", "healthy"), ("i-2", "unhealthy (Target.FailedHealthChecks)"))
    )
    assert (found.name, found.healthy) == ("gcs", ("i-1",))
    assert aws.requests == [("elbv2:describe_target_health", {"TargetGroupArn": ARN})]


def changed(**changes: Any) -> ClusterState:
    return replace(serving(a_desired_state()), **changes)


def test_a_cluster_is_reachable_where_every_port_leads_to_the_leader() -> None:
    state = changed()
    first, second = state.targets
    elsewhere = replace(second, health=(("i-other", "healthy"),))

    assert state.is_reachable
    assert not changed(targets=(first, elsewhere)).is_reachable
    assert not changed(targets=()).is_reachable
    assert not changed(lease=None).is_reachable


def test_a_leader_that_does_not_run_does_not_lead() -> None:
    state = changed()
    assert state.leader
    assert state.leader.id == "i-head0"

    stopped = tuple(replace(one, state="stopping") for one in state.instances)
    assert changed(instances=stopped).leader is None
    assert [one.role for one in state.heads] == ["head"]
    assert [one.role for one in state.workers] == ["worker"]


def test_a_template_of_workers_is_found_by_its_name() -> None:
    state = changed()

    assert state.worker_template("ray-worker-dev") == state.worker_templates[0]
    assert state.worker_template("ray-worker-dev.gpu") is None


def test_images_of_releases_are_asked_for_once_and_only_those_that_can_be_launched() -> None:
    image = {
        "ImageId": "ami-head",
        "Architecture": "arm64",
        "RootDeviceName": "/dev/xvda",
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 99}},
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 30}},
            {"DeviceName": "/dev/sdc"},
        ],
        "Tags": [{"Key": "raykiln:contract", "Value": "4"}],
    }
    plain = {"ImageId": "ami-worker", "Architecture": "x86_64"}
    aws: Any = Answers(describe_images={"Images": [image, plain]})

    found = find_images(aws, [a_release(), a_release("ami-next")])

    assert found == {
        "ami-head": FoundImage("ami-head", "arm64", 30, 4),
        "ami-worker": FoundImage("ami-worker", "x86_64", 0, 0),
    }
    filters = [
        {"Name": "image-id", "Values": ["ami-head", "ami-next", "ami-worker"]},
        {"Name": "state", "Values": ["available"]},
    ]
    assert aws.requests == [("ec2:describe_images", {"Filters": filters})]


def test_of_no_images_nothing_is_asked() -> None:
    aws: Any = Answers()

    assert images_by_id(aws, []) == {}
    assert aws.requests == []


def test_an_image_that_was_not_found_is_named_with_its_role() -> None:
    assert missing_images(a_release(), ["ami-worker"]) == (
        "the head image ami-head does not exist any more, or is disabled",
    )
    assert missing_images(a_release(), ["ami-worker", "ami-head"]) == ()
