"""Notifications of a group, really published to SNS (or SQS, for a hook's target).

Follows
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-sns-notifications.html and
PutNotificationConfiguration in the API reference. moto has neither the calls nor the messages.
"""

import json
from functools import cache
from typing import Any

from botocore.exceptions import ClientError
from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from localcloud import world
from localcloud.patches import internal
from localcloud.patches.autoscaling.records import Activity, record
from localcloud.times import stamp

LAUNCH = "autoscaling:EC2_INSTANCE_LAUNCH"
LAUNCH_ERROR = "autoscaling:EC2_INSTANCE_LAUNCH_ERROR"
TERMINATE = "autoscaling:EC2_INSTANCE_TERMINATE"
TERMINATE_ERROR = "autoscaling:EC2_INSTANCE_TERMINATE_ERROR"
TEST = "autoscaling:TEST_NOTIFICATION"
TYPES = (LAUNCH, LAUNCH_ERROR, TERMINATE, TERMINATE_ERROR, TEST)
WORDS = {
    LAUNCH: "launch",
    LAUNCH_ERROR: "failed launch",
    TERMINATE: "termination",
    TERMINATE_ERROR: "failed termination",
    TEST: "test notification",
}


def publish(group: Any, event: str, activity: Activity | None, instance_id: str = "") -> None:
    """Publish an event to every topic that is configured for it."""
    for arn, types in record(group).topics.items():
        if event in types:
            subject = f'Auto Scaling: {WORDS[event]} for group "{group.name}"'
            deliver(arn, subject, json.dumps(_message(group, event, activity, instance_id)))


def deliver(arn: str, subject: str, message: str) -> None:
    """Send to a topic or a queue; a deleted one gets nothing, as on AWS."""
    try:
        if ":sns:" in arn:
            internal.client("sns").publish(TopicArn=arn, Subject=subject[:100], Message=message)
        else:
            url = internal.client("sqs").get_queue_url(QueueName=arn.rsplit(":", 1)[-1])["QueueUrl"]
            internal.client("sqs").send_message(QueueUrl=url, MessageBody=message)
    except ClientError:
        return


def _message(group: Any, event: str, activity: Activity | None, instance_id: str) -> dict[str, Any]:
    now = stamp(world.now())
    message = {
        "Service": "AWS Auto Scaling",
        "Event": event,
        "Time": now,
        "AccountId": group.account_id,
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
    }
    if activity is None:
        return message
    return message | {
        "ActivityId": activity.activity_id,
        "RequestId": activity.activity_id,
        "Description": activity.description,
        "Cause": activity.cause,
        "StartTime": activity.start_time.isoformat(),
        "EndTime": now,
        "StatusCode": activity.status_code,
        "StatusMessage": activity.status_message or "",
        "EC2InstanceId": instance_id,
    }


def _put_notification_configuration(self: Any) -> EmptyResult:
    """Replace the topic's types, and send it a test notification."""
    params = self._get_params()
    group = self.autoscaling_backend.autoscaling_groups[params["AutoScalingGroupName"]]
    types = params["NotificationTypes"]
    if unknown := [name for name in types if name not in TYPES]:
        raise ValidationError(f'"{unknown[0]}" is not a valid Notification Type.')
    record(group).topics[params["TopicARN"]] = types
    subject = f'Auto Scaling: {WORDS[TEST]} for group "{group.name}"'
    deliver(params["TopicARN"], subject, json.dumps(_message(group, TEST, None, "")))
    return EmptyResult()


def _describe_notification_configurations(self: Any) -> ActionResult:
    names = self._get_param("AutoScalingGroupNames", [])
    groups = self.autoscaling_backend.describe_auto_scaling_groups(names)
    found = [
        {"AutoScalingGroupName": group.name, "TopicARN": arn, "NotificationType": name}
        for group in groups
        for arn, types in record(group).topics.items()
        for name in types
    ]
    return ActionResult({"NotificationConfigurations": found})


def _delete_notification_configuration(self: Any) -> EmptyResult:
    params = self._get_params()
    group = self.autoscaling_backend.autoscaling_groups[params["AutoScalingGroupName"]]
    record(group).topics.pop(params["TopicARN"], None)
    return EmptyResult()


def _describe_auto_scaling_notification_types(self: Any) -> ActionResult:
    return ActionResult({"AutoScalingNotificationTypes": list(TYPES)})


@cache
def install() -> None:
    AutoScalingResponse.put_notification_configuration = _put_notification_configuration
    AutoScalingResponse.describe_notification_configurations = _describe_notification_configurations
    AutoScalingResponse.delete_notification_configuration = _delete_notification_configuration
    AutoScalingResponse.describe_auto_scaling_notification_types = (
        _describe_auto_scaling_notification_types
    )
