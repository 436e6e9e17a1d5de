"""Group metrics, once a minute, for groups that have them enabled.

Follows https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-metrics.html. moto
stores the wish and publishes nothing.
"""

from collections.abc import Callable
from typing import Any

from localcloud.patches import internal
from localcloud.patches.autoscaling.records import Member, groups, members, moment

NAMESPACE = "AWS/AutoScaling"
MINUTE = 60.0


def _in(*states: str) -> Callable[[Member], bool]:
    return lambda member: member.lifecycle_state.split(":")[0] in states


COUNTS = {
    "GroupInServiceInstances": _in("InService"),
    "GroupPendingInstances": _in("Pending"),
    "GroupStandbyInstances": _in("Standby"),
    "GroupTerminatingInstances": _in("Terminating"),
    "GroupTotalInstances": _in("InService", "Pending", "Standby", "Terminating"),
}


def publish(now: float) -> None:
    """Put every enabled metric of every group into CloudWatch."""
    for group in groups():
        if group.metrics:
            internal.client("cloudwatch").put_metric_data(
                Namespace=NAMESPACE, MetricData=_data(group, now)
            )


def values(group: Any) -> dict[str, float]:
    """Return the group's metrics by name."""
    sizes = {
        "GroupMinSize": float(group.min_size),
        "GroupMaxSize": float(group.max_size),
        "GroupDesiredCapacity": float(group.desired_capacity),
    }
    counts = {name: float(sum(map(test, members(group)))) for name, test in COUNTS.items()}
    return sizes | counts


def _data(group: Any, now: float) -> list[dict[str, Any]]:
    dimensions = [{"Name": "AutoScalingGroupName", "Value": group.name}]
    return [
        {
            "MetricName": name,
            "Dimensions": dimensions,
            "Timestamp": moment(now),
            "Value": value,
            "Unit": "None",
        }
        for name, value in values(group).items()
        if name in group.metrics
    ]
