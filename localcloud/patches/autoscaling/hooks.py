"""Lifecycle hooks that really hold an instance: actions, heartbeats, timeouts, results.

Follows https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks.html (results,
timeouts: the shorter of 48 hours and 100 heartbeats) and PutLifecycleHook, CompleteLifecycleAction
and RecordLifecycleActionHeartbeat in the API reference. moto stores hooks and never waits for them.
"""

import json
from functools import cache
from typing import Any

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import AutoScalingBackend, LifecycleHook
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import EmptyResult

from localcloud import world
from localcloud.patches.autoscaling.notifications import deliver
from localcloud.patches.autoscaling.records import Action, Member, members
from localcloud.times import stamp

DAYS_2 = 48 * 3600
HEARTBEAT = range(30, 7201)
TRANSITIONS = ("autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING")


def hooks_for(group: Any, transition: str) -> list[Any]:
    """Return the group's hooks of one transition."""
    hooks = group.autoscaling_backend.describe_lifecycle_hooks(group.name)
    return [hook for hook in hooks if hook.lifecycle_transition == transition]


def start_actions(member: Member, hooks: list[Any], now: float) -> None:
    """Let the member wait in every hook, and notify each hook's target."""
    member.actions = [Action(hook, now, now + hook.heartbeat_timeout) for hook in hooks]
    for action in member.actions:
        _notify_target(member, action)


def expire_actions(member: Member, now: float) -> None:
    """Give actions that timed out their hook's default result."""
    for action in member.actions:
        if action.result is None and now >= action.deadline:
            action.result, action.timed_out = action.hook.default_result, True


def abandoned(member: Member) -> Action | None:
    """Return the first action that ended in ABANDON."""
    return next((action for action in member.actions if action.result == "ABANDON"), None)


def all_continued(member: Member) -> bool:
    return all(action.result == "CONTINUE" for action in member.actions)


def reason(action: Action) -> str:
    """Say why an action was abandoned, in AWS's words."""
    why = (
        "Heartbeat Timeout"
        if action.timed_out
        else "Lifecycle Action Completed with ABANDON Result"
    )
    return (
        "Instance failed to complete user's Lifecycle Action: "
        f"Lifecycle Action with token {action.token} was abandoned: {why}"
    )


def _notify_target(member: Member, action: Action) -> None:
    hook = action.hook
    message = {
        "LifecycleHookName": hook.name,
        "AccountId": member.auto_scaling_group.account_id,
        "LifecycleTransition": hook.lifecycle_transition,
        "AutoScalingGroupName": member.auto_scaling_group_name,
        "Service": "AWS Auto Scaling",
        "Time": stamp(action.started),
        "EC2InstanceId": member.instance_id,
        "LifecycleActionToken": action.token,
    }
    if hook.notification_metadata:
        message["NotificationMetadata"] = hook.notification_metadata
    if hook.notification_target_arn:
        subject = f'Auto Scaling:  Lifecycle action for group "{member.auto_scaling_group_name}"'
        deliver(hook.notification_target_arn, subject, json.dumps(message))


def _find_action(backend: Any, params: dict[str, Any]) -> Action:
    token, instance_id = params.get("LifecycleActionToken"), params.get("InstanceId")
    for member in members(backend.autoscaling_groups[params["AutoScalingGroupName"]]):
        for action in member.actions:
            named = action.token == token or (not token and member.instance_id == instance_id)
            waits = action.result is None and action.hook.name == params["LifecycleHookName"]
            if named and waits:
                return action
    which = f"token {token}" if token else f"instance ID {instance_id}"
    raise ValidationError(f"No active Lifecycle Action found with {which}")


def _complete_lifecycle_action(self: Any) -> EmptyResult:
    params = self._get_params()
    result = params.get("LifecycleActionResult")
    if result not in ("CONTINUE", "ABANDON"):
        raise ValidationError("Lifecycle Action Result must be one of: CONTINUE, ABANDON")
    _find_action(self.autoscaling_backend, params).result = result
    return EmptyResult()


def _record_lifecycle_action_heartbeat(self: Any) -> EmptyResult:
    action = _find_action(self.autoscaling_backend, self._get_params())
    limit = action.started + min(DAYS_2, 100 * action.hook.heartbeat_timeout)
    action.deadline = min(world.now() + action.hook.heartbeat_timeout, limit)
    return EmptyResult()


def _put_lifecycle_hook(self: Any) -> EmptyResult:
    params = self._get_params()
    put_hook(self.autoscaling_backend, params["AutoScalingGroupName"], params)
    return EmptyResult()


def put_hook(backend: Any, group_name: str, params: dict[str, Any]) -> None:
    """Create or update a hook; an update keeps what it does not name."""
    group, name = backend.autoscaling_groups[group_name], params["LifecycleHookName"]
    old = next(iter(backend.describe_lifecycle_hooks(group.name, [name])), None)
    transition = params.get("LifecycleTransition") or (old and old.lifecycle_transition)
    if transition not in TRANSITIONS:
        raise ValidationError(f"Lifecycle transition must be one of: {', '.join(TRANSITIONS)}")
    timeout = int(params.get("HeartbeatTimeout") or (old.heartbeat_timeout if old else 3600))
    if timeout not in HEARTBEAT:
        raise ValidationError("HeartbeatTimeout must be between 30 and 7200 seconds.")
    result = params.get("DefaultResult") or (old.default_result if old else "ABANDON")
    hook = backend.create_lifecycle_hook(name, group.name, transition, timeout, result)
    hook.global_timeout = min(DAYS_2, 100 * timeout)
    hook.role_arn = params.get("RoleARN", old and old.role_arn)
    hook.notification_target_arn = params.get(
        "NotificationTargetARN", old and old.notification_target_arn
    )
    hook.notification_metadata = params.get("NotificationMetadata")


def _delete_lifecycle_hook(self: Any, as_name: str, name: str) -> None:
    """Deleting a hook completes its outstanding actions: ABANDON for launches, else CONTINUE."""
    if f"{as_name}_{name}" not in self.lifecycle_hooks:
        raise ValidationError(f"No Lifecycle Hook found with name: {name}")
    hook = self.lifecycle_hooks.pop(f"{as_name}_{name}")
    for member in members(self.autoscaling_groups[as_name]):
        for action in member.actions:
            if action.hook.name == hook.name and action.result is None:
                launching = hook.lifecycle_transition == TRANSITIONS[0]
                action.result = "ABANDON" if launching else "CONTINUE"


@cache
def install() -> None:
    AutoScalingBackend.delete_lifecycle_hook = _delete_lifecycle_hook
    AutoScalingResponse.put_lifecycle_hook = _put_lifecycle_hook
    AutoScalingResponse.complete_lifecycle_action = _complete_lifecycle_action
    AutoScalingResponse.record_lifecycle_action_heartbeat = _record_lifecycle_action_heartbeat
    LifecycleHook.notification_metadata = None
