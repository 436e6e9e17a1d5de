"""What the head's group tells of its launches, and a head's last words. Touches AWS, reads only."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deploy.clients import Clients, translated

# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_Activity.html
FAILED = ("Failed", "Cancelled")
LINES = 12


@dataclass(frozen=True)
class Failure:
    """A launch that came to nothing; ``instance_id`` is empty when there never was an instance."""

    id: str
    instance_id: str
    reason: str


def find_failures(clients: Clients, group: str) -> tuple[Failure, ...]:
    """Return the failed launches among the group's latest activities, oldest first."""
    with translated(f"reading the activities of {group}"):
        answer = clients("autoscaling").describe_scaling_activities(
            AutoScalingGroupName=group, MaxRecords=20
        )
    failed = [_failure(entry) for entry in answer["Activities"] if _is_failed_launch(entry)]
    return tuple(reversed(failed))


def last_words(clients: Clients, instance_id: str) -> str:
    """Return the last lines of an instance's console, or nothing when there are none to be had.

    AWS keeps them for an hour after the instance has gone, so they outlive a head that gave up.
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-console.html
    """
    if not instance_id:
        return ""
    try:
        answer = clients("ec2").get_console_output(InstanceId=instance_id)
    except (ClientError, BotoCoreError):
        # The reason is a courtesy: the failure itself is told without it.
        return ""
    lines = [line.rstrip() for line in answer.get("Output", "").splitlines() if line.strip()]
    return "\n".join(lines[-LINES:])


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
