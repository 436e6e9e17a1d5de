"""What a node reports to AWS; botocore's stubber checks the shape of each lifecycle call."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from node.reports import Reports
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


def test_a_hook_that_no_longer_waits_is_no_error(autoscaling: tuple[Any, Stubber]) -> None:
    client, stubber = autoscaling
    stubber.add_client_error("complete_lifecycle_action", "ValidationError", "No active action")

    assert not Reports(an_identity(), None, client).complete_launch("CONTINUE")


def test_throttling_is_an_error(autoscaling: tuple[Any, Stubber]) -> None:
    client, stubber = autoscaling
    stubber.add_client_error("complete_lifecycle_action", "Throttling", "Rate exceeded")

    with pytest.raises(ClientError, match="Throttling"):
        Reports(an_identity(), None, client).complete_launch("CONTINUE")


def test_an_instance_without_a_group_has_no_hook_to_complete() -> None:
    assert not Reports(an_identity(group=""), None, None).complete_launch("CONTINUE")
