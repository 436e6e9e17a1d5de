"""A group's notifications, as a subscriber gets them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from localcloud.patches import shortages
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.groups import NAME, Group


class TestNotifications:
    @pytest.fixture
    def inbox(self, aws: Clients) -> Callable[[], list[dict[str, Any]]]:
        queue = aws("sqs").create_queue(QueueName="inbox")["QueueUrl"]
        topic = aws("sns").create_topic(Name="groups")["TopicArn"]
        aws("sns").subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint="arn:aws:sqs:us-east-1:123456789012:inbox",
            Attributes={"RawMessageDelivery": "true"},
        )

        def read() -> list[dict[str, Any]]:
            found = aws("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
            return [json.loads(message["Body"]) for message in found.get("Messages", [])]

        return read

    def test_a_topic_gets_the_events_that_are_configured_for_it(
        self, group: Group, inbox: Callable[[], list[dict[str, Any]]]
    ) -> None:
        group.create(size=0)
        group.api.put_notification_configuration(
            AutoScalingGroupName=NAME,
            TopicARN="arn:aws:sns:us-east-1:123456789012:groups",
            NotificationTypes=[
                "autoscaling:EC2_INSTANCE_LAUNCH",
                "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
            ],
        )
        assert [m["Event"] for m in inbox()] == ["autoscaling:TEST_NOTIFICATION"]

        shortages.declare()
        group.resize(1)
        group.settle(5)
        shortages.clear()
        group.settle(60)
        group.resize(0)
        group.settle()

        events = [message["Event"] for message in inbox()]
        assert events == [
            "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
            "autoscaling:EC2_INSTANCE_LAUNCH",
        ]

    def test_a_configuration_can_be_read_and_deleted(self, group: Group) -> None:
        group.create(size=0)
        topic = "arn:aws:sns:us-east-1:123456789012:groups"
        group.api.put_notification_configuration(
            AutoScalingGroupName=NAME,
            TopicARN=topic,
            NotificationTypes=["autoscaling:EC2_INSTANCE_TERMINATE"],
        )
        assert group.api.describe_notification_configurations(AutoScalingGroupNames=[NAME])[
            "NotificationConfigurations"
        ] == [
            {
                "AutoScalingGroupName": NAME,
                "TopicARN": topic,
                "NotificationType": "autoscaling:EC2_INSTANCE_TERMINATE",
            }
        ]

        group.api.delete_notification_configuration(AutoScalingGroupName=NAME, TopicARN=topic)

        found = group.api.describe_notification_configurations()
        assert found["NotificationConfigurations"] == []
