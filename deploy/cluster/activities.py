"""The scaling activities of the head's group: failed launches. Reads AWS only."""

from dataclasses import dataclass
from typing import Any

from common.clients import Clients, translated

# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_Activity.html
FAILED = ("Failed", "Cancelled")
LATEST = 20


@dataclass(frozen=True)
class Failure:
    """A failed launch; ``instance_id`` is empty when no instance was launched."""

    id: str
    instance_id: str
    reason: str


def find_failures(clients: Clients, group: str) -> tuple[Failure, ...]:
    """Return the failed launches among the group's latest activities, oldest first.

    They take several requests: "A response can contain fewer items than the value specified by
    MaxRecords, even when more items are available."
    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeScalingActivities.html
    """
    with translated(f"reading the activities of {group}"):
        pages = clients("autoscaling").get_paginator("describe_scaling_activities")
        latest = pages.paginate(
            AutoScalingGroupName=group, PaginationConfig={"MaxItems": LATEST, "PageSize": LATEST}
        )
        entries = [entry for page in latest for entry in page["Activities"]]
    failed = [_failure(entry) for entry in entries if _is_failed_launch(entry)]
    return tuple(reversed(failed))


def _is_failed_launch(entry: dict[str, Any]) -> bool:
    return entry["StatusCode"] in FAILED and entry.get("Description", "").startswith("Launching")


def _failure(entry: dict[str, Any]) -> Failure:
    words = entry.get("Description", "").removeprefix("Launching a new EC2 instance")
    first = words.lstrip(": ").split()
    return Failure(
        id=entry["ActivityId"],
        instance_id=first[0].rstrip(".") if first and first[0].startswith("i-") else "",
        reason=entry.get("StatusMessage") or entry.get("Description", ""),
    )
