"""What a group keeps: its members, what each waits for, and its activities. No AWS calls.

moto keeps a list of instances; these records stand in that list and carry what Amazon EC2 Auto
Scaling really keeps. Field names follow AWS's shapes, since moto serializes attributes by name.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from moto.autoscaling.models import autoscaling_backends

COUNTED = ("Pending", "Pending:Wait", "Pending:Proceed", "InService")
LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"


@dataclass
class Activity:
    """One scaling activity (API reference: Activity)."""

    auto_scaling_group_name: str
    auto_scaling_group_arn: str
    description: str
    cause: str
    start_time: datetime
    activity_id: str = field(default_factory=lambda: str(uuid4()))
    end_time: datetime | None = None
    status_code: str = "InProgress"
    status_message: str | None = None
    progress: int = 0
    details: str = "{}"

    @property
    def is_open(self) -> bool:
        return self.end_time is None


@dataclass
class Action:
    """One lifecycle action: a member waits in one hook until it ends or times out."""

    hook: Any
    started: float
    deadline: float
    token: str = field(default_factory=lambda: str(uuid4()))
    result: str | None = None
    timed_out: bool = False


@dataclass
class Member:
    """One instance of a group (API reference: Instance, AutoScalingInstanceDetails)."""

    instance: Any
    auto_scaling_group: Any
    launch_template: dict[str, str] | None
    lifecycle_state: str
    activity: Activity | None = None
    health_status: str = "Healthy"
    protected_from_scale_in: bool = False
    in_service_since: float | None = None
    unhealthy_because: str = ""
    actions: list[Action] = field(default_factory=list)

    @property
    def instance_id(self) -> str:
        return str(self.instance.id)

    @property
    def instance_type(self) -> str:
        return str(self.instance.instance_type)

    @property
    def availability_zone(self) -> str:
        return str(self.instance.placement.zone)

    @property
    def auto_scaling_group_name(self) -> str:
        return str(self.auto_scaling_group.name)

    @property
    def counts(self) -> bool:
        """It is, or is about to be, part of the capacity."""
        return self.lifecycle_state in COUNTED

    @property
    def is_terminating(self) -> bool:
        return self.lifecycle_state.startswith("Terminating")


@dataclass
class Record:
    """What one group keeps beside moto's own fields."""

    activities: list[Activity] = field(default_factory=list)
    capacity_cause: str = ""
    replacements_due: int = 0
    launch_failures: int = 0
    retry_at: float = 0.0
    next_health_check: float = 0.0
    topics: dict[str, list[str]] = field(default_factory=dict)


def record(group: Any) -> Record:
    """Return the group's record; a new group gets an empty one."""
    if not hasattr(group, "record"):
        group.record = Record()
    found: Record = group.record
    return found


def members(group: Any) -> list[Member]:
    found: list[Member] = group.instance_states
    return found


def member_of(instance_id: str) -> Member | None:
    """Return an instance as a member of its group, if it has one."""
    found = (member for group in groups() for member in members(group))
    return next((member for member in found if member.instance_id == instance_id), None)


def suspended(group: Any, process: str) -> bool:
    """Say whether a process is suspended.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html
    """
    return any(entry["ProcessName"] == process for entry in group.suspended_processes)


def backends() -> Iterator[Any]:
    for regions in list(autoscaling_backends.values()):
        yield from list(regions.values())


def groups() -> Iterator[Any]:
    for backend in backends():
        yield from list(backend.autoscaling_groups.values())
