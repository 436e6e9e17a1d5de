"""When a member is unhealthy, and its replacement.

Follows https://docs.aws.amazon.com/autoscaling/ec2/userguide/health-checks-overview.html and
health-check-grace-period.html (an instance that no longer runs is replaced at once, whatever the
grace period; status checks and load balancers count after it) and SetInstanceHealth in the API
reference. moto stores the health and does nothing.
"""

from functools import cache
from typing import Any

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import AutoScalingBackend
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import EmptyResult

from localcloud import behaviour, world
from localcloud.patches.autoscaling import targets
from localcloud.patches.autoscaling.lifecycle import terminate
from localcloud.patches.autoscaling.records import (
    Member,
    member_of,
    members,
    record,
    suspended,
)
from localcloud.times import stamp

NOT_RUNNING = "an EC2 health check indicating it has been terminated or stopped"
IMPAIRED = "an EC2 instance status checks failure"
ELB = "an ELB system health check failure"
USER = "a user health-check"


def check(group: Any, now: float) -> None:
    """Mark what is unhealthy, as often as the behaviour in use says."""
    kept = record(group)
    if suspended(group, "HealthCheck") or now < kept.next_health_check:
        return
    kept.next_health_check = now + behaviour.current().group_health
    for member in members(group):
        healthy = member.lifecycle_state == "InService" and member.health_status == "Healthy"
        if healthy and (why := _problem(group, member, now)):
            member.health_status, member.unhealthy_because = "Unhealthy", why


def replace(group: Any, now: float) -> None:
    """Terminate unhealthy members; the missing capacity is then launched."""
    if suspended(group, "ReplaceUnhealthy") or suspended(group, "Terminate"):
        return
    for member in members(group):
        if member.lifecycle_state == "InService" and member.health_status == "Unhealthy":
            why = member.unhealthy_because or USER
            terminate(
                member,
                f"At {stamp(now)} an instance was taken out of service in response to {why}.",
            )
            record(group).replacements_due += 1


def in_grace(group: Any, member: Member, now: float) -> bool:
    """Say whether the member is in its grace period, which begins when it enters service."""
    since = member.in_service_since
    return since is None or now < since + int(group.health_check_grace_period or 0)


def _problem(group: Any, member: Member, now: float) -> str:
    if member.instance.state != "running":
        return NOT_RUNNING
    if in_grace(group, member, now):
        return ""
    statuses = (member.instance.instance_status, member.instance.system_status)
    if any(status["Status"] == "impaired" for status in statuses):
        return IMPAIRED
    if "ELB" in str(group.health_check_type) and targets.unhealthy(group, member):
        return ELB
    return ""


def find_member(instance_id: str) -> Member:
    """Return the member of any group; raises ValidationError when there is none."""
    member = member_of(instance_id)
    if member is None:
        raise ValidationError(
            f"Instance Id not found - No managed instance found for instance ID: {instance_id}"
        )
    return member


def _set_instance_health(self: Any) -> EmptyResult:
    """By default an instance in its grace period stays as it is."""
    status = self._get_param("HealthStatus")
    if status not in ("Healthy", "Unhealthy"):
        raise ValidationError("Valid instance health states are: [Healthy, Unhealthy]")
    member = find_member(self._get_param("InstanceId"))
    if member.is_terminating:
        raise ValidationError(f"Instance {member.instance_id} is already being terminated.")
    respect = self._get_bool_param("ShouldRespectGracePeriod", True)
    now = world.now()
    if status == "Unhealthy" and respect and in_grace(member.auto_scaling_group, member, now):
        return EmptyResult()
    member.health_status, member.unhealthy_because = status, USER
    return EmptyResult()


def _notify_terminate_instances(self: Any, instance_ids: list[str]) -> None:
    """The group notices at its next health check, as on AWS."""


@cache
def install() -> None:
    AutoScalingResponse.set_instance_health = _set_instance_health
    AutoScalingBackend.notify_terminate_instances = _notify_terminate_instances
