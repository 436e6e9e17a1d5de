"""Failed launches of the head's group, as its activities tell them."""

from typing import Any

import pytest

from deploy.cluster.activities import Failure, find_failures
from tests.unit.answers import Answers

GROUP = "ray-head-asg-dev"
LAUNCH = "Launching a new EC2 instance"


def activity(name: str, status: str, description: str, message: str = "") -> dict[str, Any]:
    more = {"StatusMessage": message} if message else {}
    return {"ActivityId": name, "StatusCode": status, "Description": description, **more}


def failures(*activities: dict[str, Any]) -> tuple[Failure, ...]:
    pages = tuple({"Activities": [one]} for one in activities)
    aws: Any = Answers(describe_scaling_activities=pages)
    found = find_failures(aws, GROUP)
    assert aws.requests == [
        (
            "autoscaling:describe_scaling_activities",
            {
                "AutoScalingGroupName": GROUP,
                "PaginationConfig": {"MaxItems": 20, "PageSize": 20},
            },
        )
    ]
    return found


def test_failed_launches_come_oldest_first_with_their_instance_and_reason() -> None:
    assert failures(
        activity("3", "Failed", f"{LAUNCH}: i-3.  Status Reason: x", "no capacity"),
        activity("2", "Successful", f"{LAUNCH}: i-2"),
        activity("1", "Cancelled", f"{LAUNCH}: i-1"),
    ) == (
        Failure("1", "i-1", f"{LAUNCH}: i-1"),
        Failure("3", "i-3", "no capacity"),
    )


@pytest.mark.parametrize(
    "description", [LAUNCH, f"{LAUNCH}.  Status Reason: nothing there", f"{LAUNCH}: "]
)
def test_a_launch_without_an_instance_has_no_id(description: str) -> None:
    assert failures(activity("1", "Failed", description, "why")) == (Failure("1", "", "why"),)


def test_other_activities_are_no_launches() -> None:
    assert failures(activity("1", "Failed", "Terminating EC2 instance: i-1")) == ()
