"""Scaling activities: what a group did, why, and how it ended.

Follows DescribeScalingActivities and Activity in the Amazon EC2 Auto Scaling API reference, and
the texts shown in
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-troubleshooting.html moto
returns an empty list.
"""

from functools import cache
from typing import Any

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult

from localcloud.patches.autoscaling.records import Activity, record
from localcloud.patches.paging import page
from localcloud.times import moment
from localcloud.world import now

KEPT = 500  # activities of one group; AWS keeps six weeks of them
PAGE = 100


def begin(group: Any, description: str, cause: str) -> Activity:
    """Begin an activity now."""
    activity = Activity(
        auto_scaling_group_name=group.name,
        auto_scaling_group_arn=group.arn,
        description=description,
        cause=cause,
        start_time=moment(now()),
    )
    kept = record(group).activities
    kept.append(activity)
    del kept[:-KEPT]
    return activity


def finish(activity: Activity | None, status: str = "Successful", message: str = "") -> None:
    """End an activity now; one that has ended stays as it is."""
    if activity is None or not activity.is_open:
        return
    activity.end_time = moment(now())
    activity.status_code = status
    activity.progress = 100
    if message:
        activity.status_message = message
        activity.description += f".  Status Reason: {message}"


def _found(response: Any) -> list[Activity]:
    backend, name = response.autoscaling_backend, response._get_param("AutoScalingGroupName")
    if name and name not in backend.autoscaling_groups and name not in deleted(backend):
        raise ValidationError(
            f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"
        )
    kept = {group.name: record(group).activities for group in backend.autoscaling_groups.values()}
    if response._get_bool_param("IncludeDeletedGroups"):
        kept = deleted(backend) | kept
    found = [a for group, entries in kept.items() for a in entries if not name or group == name]
    requested = response._get_param("ActivityIds", [])
    return [activity for activity in found if not requested or activity.activity_id in requested]


def _describe_scaling_activities(self: Any) -> ActionResult:
    """Those in progress first, then the newest first.

    "A response can contain fewer items than the value specified by MaxRecords, even when more items
    are available": here half of them.
    """
    newest = sorted(_found(self), key=lambda activity: activity.start_time, reverse=True)
    ordered = sorted(newest, key=lambda activity: not activity.is_open)
    found, token = page(self, ordered, max(self._get_int_param("MaxRecords", PAGE) // 2, 1))
    return ActionResult({"Activities": found, "NextToken": token})


def deleted(backend: Any) -> dict[str, list[Activity]]:
    """Return the activities of deleted groups, by group name."""
    if not hasattr(backend, "deleted_activities"):
        backend.deleted_activities = {}
    found: dict[str, list[Activity]] = backend.deleted_activities
    return found


@cache
def install() -> None:
    AutoScalingResponse.describe_scaling_activities = _describe_scaling_activities
