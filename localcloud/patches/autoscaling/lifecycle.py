"""A member's way from state to state, one transition per step.

Follows https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html and
lifecycle-hooks-overview.html: Pending, Pending:Wait, Pending:Proceed, InService; Terminating (out
of the target groups first, its connections drained), Terminating:Wait, Terminating:Proceed, and
removed. moto puts an instance in service at once and forgets it when it is terminated.
"""

from collections.abc import Callable

from localcloud.patches import internal
from localcloud.patches.autoscaling import hooks, lateness, targets
from localcloud.patches.autoscaling.activities import begin, finish
from localcloud.patches.autoscaling.launching import back_off
from localcloud.patches.autoscaling.notifications import LAUNCH, LAUNCH_ERROR, TERMINATE, publish
from localcloud.patches.autoscaling.records import (
    LAUNCHING,
    TERMINATING,
    Member,
    members,
    record,
)
from localcloud.patches.ec2 import ENDED
from localcloud.times import stamp

UNHEALTHY_LAUNCH = "Instance became unhealthy while waiting for instance to be in InService state."


def advance(member: Member, now: float) -> None:
    """Take the member's next step, if it can be taken now."""
    STEPS.get(member.lifecycle_state, _stay)(member, now)


def terminate(member: Member, cause: str) -> None:
    """Begin to terminate a member; ``cause`` is the sentence that follows the time."""
    if member.is_terminating:
        return
    finish(member.activity, "Cancelled")
    group = member.auto_scaling_group
    member.activity = begin(group, f"Terminating EC2 instance: {member.instance_id}", cause)
    member.lifecycle_state = "Terminating"
    member.actions = []
    targets.deregister(group, member)
    if targets.draining(group, member):
        member.activity.status_code = "WaitingForELBConnectionDraining"


def _stay(member: Member, now: float) -> None:
    """Standby and InService do not change by themselves."""


def _pending(member: Member, now: float) -> None:
    if _lost(member, now) or member.instance.state == "pending":
        return
    waiting = hooks.hooks_for(member.auto_scaling_group, LAUNCHING)
    if not waiting:
        member.lifecycle_state = "Pending:Proceed"
        return
    if lateness.is_late(member, lateness.HOOKS):
        return
    member.lifecycle_state = "Pending:Wait"
    if member.activity:
        member.activity.status_code, member.activity.progress = "MidLifecycleAction", 75
    hooks.start_actions(member, waiting, now)


def _pending_wait(member: Member, now: float) -> None:
    if _lost(member, now):
        return
    hooks.expire_actions(member, now)
    if action := hooks.abandoned(member):
        _fail_launch(member, hooks.reason(action), now)
    elif hooks.all_continued(member):
        member.lifecycle_state = "Pending:Proceed"
        member.actions = []


def _pending_proceed(member: Member, now: float) -> None:
    if _lost(member, now):
        return
    group = member.auto_scaling_group
    targets.register(group, member)
    member.lifecycle_state, member.in_service_since = "InService", now
    finish(member.activity)
    publish(group, LAUNCH, member.activity, member.instance_id)
    record(group).launch_failures = 0


def _lost(member: Member, now: float) -> bool:
    """An instance that stops before it is in service is a failed launch."""
    if member.instance.state in ("pending", "running"):
        return False
    why = member.instance.state_reason.message
    _fail_launch(member, f"{UNHEALTHY_LAUNCH} Termination Reason: {why}", now)
    return True


def _fail_launch(member: Member, why: str, now: float) -> None:
    """A failed or abandoned launch does not count as capacity; another one follows later."""
    group, activity = member.auto_scaling_group, member.activity
    finish(activity, "Cancelled", why)
    publish(group, LAUNCH_ERROR, activity, member.instance_id)
    back_off(group)
    terminate(
        member, f"At {stamp(now)} an instance was taken out of service after a failed launch."
    )


def _terminating(member: Member, now: float) -> None:
    group = member.auto_scaling_group
    if member.instance.state not in ENDED:
        if targets.draining(group, member):
            return
        waiting = hooks.hooks_for(group, TERMINATING)
        if waiting and not group.deleting:
            member.lifecycle_state = "Terminating:Wait"
            if member.activity:
                member.activity.status_code, member.activity.progress = "MidLifecycleAction", 60
            hooks.start_actions(member, waiting, now)
            return
    member.lifecycle_state = "Terminating:Proceed"


def _terminating_wait(member: Member, now: float) -> None:
    """Both results let the instance terminate; ABANDON also ends the wait for other hooks."""
    hooks.expire_actions(member, now)
    over = hooks.abandoned(member) or hooks.all_continued(member)
    if over or member.auto_scaling_group.deleting or member.instance.state in ENDED:
        member.lifecycle_state, member.actions = "Terminating:Proceed", []


def _terminating_proceed(member: Member, now: float) -> None:
    if member.instance.state not in ENDED:
        internal.client("ec2").terminate_instances(InstanceIds=[member.instance_id])
    if member.instance.state != "terminated":
        return
    group = member.auto_scaling_group
    members(group).remove(member)
    finish(member.activity)
    publish(group, TERMINATE, member.activity, member.instance_id)


STEPS: dict[str, Callable[[Member, float], None]] = {
    "Pending": _pending,
    "Pending:Wait": _pending_wait,
    "Pending:Proceed": _pending_proceed,
    "Terminating": _terminating,
    "Terminating:Wait": _terminating_wait,
    "Terminating:Proceed": _terminating_proceed,
}
