"""Report the metrics that AWS's own services send, those that the project's alarms watch.

Follows "CloudWatch metrics for your Network Load Balancer" (HealthyHostCount, UnHealthyHostCount:
reported while targets are registered), "Amazon EC2 Auto Scaling metrics" (group metrics, when
EnableMetricsCollection turned them on) and "Available CloudWatch metrics for Amazon SQS"
(docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-
metrics.html: of queues in use; the age is that of the oldest message, hidden ones included). AWS
sends them once a minute; see localcloud/behaviour.py.
"""

from collections.abc import Callable
from typing import Any

from moto.autoscaling.models import autoscaling_backends
from moto.core.utils import unix_time
from moto.elbv2.models import elbv2_backends
from moto.sqs.models import sqs_backends

from localcloud.patches import internal

GROUP_METRICS: dict[str, Callable[[dict[str, Any]], float]] = {
    "GroupInServiceInstances": lambda group: _in_state(group, "InService"),
    "GroupPendingInstances": lambda group: _in_state(group, "Pending"),
    "GroupTerminatingInstances": lambda group: _in_state(group, "Terminating"),
    "GroupTotalInstances": lambda group: len(group["Instances"]),
    "GroupDesiredCapacity": lambda group: group["DesiredCapacity"],
    "GroupMinSize": lambda group: group["MinSize"],
    "GroupMaxSize": lambda group: group["MaxSize"],
}


def _in_state(group: dict[str, Any], state: str) -> int:
    return sum(one["LifecycleState"].startswith(state) for one in group["Instances"])


def report() -> None:
    """Send one round of service metrics; does nothing while there is nothing to report."""
    if any(b.autoscaling_groups for a in autoscaling_backends.values() for b in a.values()):
        _report_groups()
    if any(b.target_groups for a in elbv2_backends.values() for b in a.values()):
        _report_targets()
    for account in list(sqs_backends.values()):
        for backend in list(account.values()):
            for queue in list(backend.queues.values()):
                _report_queue(queue)


def _put(namespace: str, dimensions: dict[str, str], values: dict[str, float]) -> None:
    pairs = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    data = [
        {"MetricName": name, "Value": float(value), "Dimensions": pairs, "Unit": "Count"}
        for name, value in values.items()
    ]
    if data:
        internal.call("cloudwatch", "put_metric_data", Namespace=namespace, MetricData=data)


def _report_groups() -> None:
    found = internal.call("autoscaling", "describe_auto_scaling_groups")
    for group in found["AutoScalingGroups"]:
        enabled = {one["Metric"] for one in group.get("EnabledMetrics", [])}
        values = {name: GROUP_METRICS[name](group) for name in sorted(enabled & set(GROUP_METRICS))}
        _put("AWS/AutoScaling", {"AutoScalingGroupName": group["AutoScalingGroupName"]}, values)


def _report_targets() -> None:
    found = internal.call("elbv2", "describe_target_groups")
    for group in found["TargetGroups"]:
        arn = group["TargetGroupArn"]
        health = internal.call("elbv2", "describe_target_health", TargetGroupArn=arn)
        states = [one["TargetHealth"]["State"] for one in health["TargetHealthDescriptions"]]
        used = [state for state in states if state not in ("draining", "unused")]
        if not used:
            continue
        healthy = used.count("healthy")
        values: dict[str, float] = {
            "HealthyHostCount": healthy,
            "UnHealthyHostCount": len(used) - healthy,
        }
        for balancer in group.get("LoadBalancerArns", []):
            where = {
                "LoadBalancer": balancer.split(":loadbalancer/")[-1],
                "TargetGroup": arn.split(":")[-1],
            }
            _put("AWS/NetworkELB", where, values)


def _report_queue(queue: Any) -> None:
    """Report what is in a queue; the names are not those of its attributes."""
    sent = [message.sent_timestamp / 1000 for message in queue._messages]
    values = {
        "ApproximateNumberOfMessagesVisible": queue.approximate_number_of_messages,
        "ApproximateNumberOfMessagesNotVisible": queue.approximate_number_of_messages_not_visible,
        "ApproximateAgeOfOldestMessage": unix_time() - min(sent) if sent else 0,
    }
    _put("AWS/SQS", {"QueueName": queue.name}, values)
