"""What a node reports to AWS; botocore's stubber checks the shape of each lifecycle call."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from node.reports import NotInHook, Reports
from tests.unit.answers import Answers
from tests.unit.node.fakes import an_identity


@pytest.fixture
def autoscaling() -> Iterator[tuple[Any, Stubber]]:
    client = boto3.client("autoscaling", region_name="us-east-1")
    with Stubber(client) as stubber:
        yield client, stubber
        stubber.assert_no_pending_responses()


ACTION = {
    "AutoScalingGroupName": "ray-head-asg-test",
    "LifecycleHookName": "ray-head-ready",
    "InstanceId": "i-0a",
    "LifecycleActionResult": "CONTINUE",
}


def test_metrics_carry_the_environment() -> None:
    with mock_aws():
        cloudwatch = boto3.client("cloudwatch", region_name="us-east-1")
        Reports(an_identity(), cloudwatch, None).metrics({"HeadReady": 1.0})

        (metric,) = cloudwatch.list_metrics(Namespace="Ray/Head")["Metrics"]

    assert metric["MetricName"] == "HeadReady"
    assert metric["Dimensions"] == [{"Name": "Environment", "Value": "test"}]


def test_the_launch_hook_is_completed(autoscaling: tuple[Any, Stubber]) -> None:
    client, stubber = autoscaling
    stubber.add_response("complete_lifecycle_action", {}, ACTION)

    assert Reports(an_identity(), None, client).complete_launch("CONTINUE")


def refuse(stubber: Stubber, *states: str) -> None:
    """Have no action active, and the group in this state with the instance, or in none."""
    stubber.add_client_error("complete_lifecycle_action", "ValidationError", "No active action")
    member = {
        "InstanceId": "i-0a",
        "AutoScalingGroupName": "ray-head-asg-test",
        "AvailabilityZone": "us-east-1a",
        "HealthStatus": "HEALTHY",
        "ProtectedFromScaleIn": True,
    }
    found = [member | {"LifecycleState": state} for state in states]
    expected = {"InstanceIds": ["i-0a"]}
    stubber.add_response(
        "describe_auto_scaling_instances", {"AutoScalingInstances": found}, expected
    )


@pytest.mark.parametrize("state", ["Pending:Proceed", "InService", "Terminating:Wait"])
def test_a_hook_that_no_longer_waits_is_no_error(
    autoscaling: tuple[Any, Stubber], state: str
) -> None:
    client, stubber = autoscaling
    refuse(stubber, state)

    assert not Reports(an_identity(), None, client).complete_launch("CONTINUE")


@pytest.mark.parametrize("states", [["Pending"], ["Pending:Wait"], []])
def test_a_hook_that_does_not_wait_yet_is_to_be_answered_again(
    autoscaling: tuple[Any, Stubber], states: list[str]
) -> None:
    """https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html"""
    client, stubber = autoscaling
    refuse(stubber, *states)

    with pytest.raises(NotInHook):
        Reports(an_identity(), None, client).complete_launch("CONTINUE")


def test_a_tag_with_the_group_that_comes_late_is_read_again(
    autoscaling: tuple[Any, Stubber],
) -> None:
    client, stubber = autoscaling
    stubber.add_response("complete_lifecycle_action", {}, ACTION)
    tags: dict[str, str] = {}
    reports = Reports(an_identity(group=""), None, client, tags.get)

    with pytest.raises(NotInHook, match="no tag"):
        reports.complete_launch("CONTINUE")
    tags["aws:autoscaling:groupName"] = "ray-head-asg-test"

    assert reports.complete_launch("CONTINUE")


def test_throttling_is_an_error(autoscaling: tuple[Any, Stubber]) -> None:
    client, stubber = autoscaling
    stubber.add_client_error("complete_lifecycle_action", "Throttling", "Rate exceeded")

    with pytest.raises(ClientError, match="Throttling"):
        Reports(an_identity(), None, client).complete_launch("CONTINUE")


def test_a_worker_has_no_hook_to_complete() -> None:
    assert not Reports(an_identity(lifecycle_hook=""), None, None).complete_launch("CONTINUE")


def test_metrics_are_one_request_and_have_a_role_where_it_is_given() -> None:
    aws: Any = Answers(put_metric_data={})
    reports = Reports(an_identity(), aws("cloudwatch"), None)

    reports.metrics({"HeadReady": 1.0, "HeadLeader": 0.0})
    reports.metrics({"GaveUp": 1.0}, role="worker")

    environment = {"Name": "Environment", "Value": "test"}
    role = {"Name": "Role", "Value": "worker"}

    def datum(name: str, value: float, *dimensions: dict[str, str]) -> dict[str, Any]:
        pairs = list(dimensions)
        return {"MetricName": name, "Dimensions": pairs, "Value": value, "Unit": "Count"}

    first = [datum("HeadReady", 1.0, environment), datum("HeadLeader", 0.0, environment)]
    assert aws.requests == [
        ("cloudwatch:put_metric_data", {"Namespace": "Ray/Head", "MetricData": first}),
        (
            "cloudwatch:put_metric_data",
            {"Namespace": "Ray/Head", "MetricData": [datum("GaveUp", 1.0, environment, role)]},
        ),
    ]


def test_an_instance_is_declared_unhealthy_even_in_its_grace_period() -> None:
    aws: Any = Answers(set_instance_health={})

    Reports(an_identity(), None, aws("autoscaling")).declare_unhealthy()
    Reports(an_identity(group=""), None, None, lambda tag: None).declare_unhealthy()

    assert aws.requests == [
        (
            "autoscaling:set_instance_health",
            {
                "InstanceId": "i-0a",
                "HealthStatus": "Unhealthy",
                "ShouldRespectGracePeriod": False,
            },
        )
    ]


@pytest.mark.parametrize(
    ("states", "words"),
    [(["Pending"], "the group has this instance in Pending"), ([], "in no state")],
)
def test_what_does_not_wait_yet_says_where_it_is(
    autoscaling: tuple[Any, Stubber], states: list[str], words: str
) -> None:
    client, stubber = autoscaling
    refuse(stubber, *states)

    with pytest.raises(NotInHook, match=f"{words}$"):
        Reports(an_identity(), None, client).complete_launch("CONTINUE")
