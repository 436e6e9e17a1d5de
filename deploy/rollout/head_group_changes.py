"""Create, change, resize and delete the heads' group. Touches AWS (EC2 Auto Scaling)."""

import re
from typing import Any

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.head_group import (
    LAUNCHING,
    METRICS,
    GroupSettings,
    HeadGroup,
    Hook,
    find_group,
    group_changes,
    is_no_group,
)

GONE = re.compile("not found|terminating", re.IGNORECASE)


def ensure_group(clients: Clients, name: str, desired: GroupSettings, *, clock: Clock) -> HeadGroup:
    """Create the group or change it to the desired settings; only what differs is written.

    It is created with its hook, so that no head is ever launched without one.
    """

    def look() -> Seen[HeadGroup]:
        found = find_group(clients, name, desired.hook.name)
        with translated(f"writing the group {name}"):
            if found is None:
                _create(clients("autoscaling"), name, desired)
                return Seen(None, "created")
            if found.being_deleted:
                return Seen(None, "a group of that name is being deleted")
            if not (changes := group_changes(desired, found.settings)):
                return Seen(found, "as desired")
            _update(clients("autoscaling"), name, desired, found.settings)
        return Seen(None, "; ".join(changes))

    return wait_for(f"group {name}", look, clock=clock, seconds=120, hint="deploy again")


def resize_group(clients: Clients, name: str, size: int) -> None:
    """Set the group to exactly ``size`` heads."""
    with translated(f"resizing the group {name}"):
        clients("autoscaling").update_auto_scaling_group(
            AutoScalingGroupName=name, MinSize=size, DesiredCapacity=size, MaxSize=max(size, 1)
        )


def terminate_member(clients: Clients, instance_id: str, *, replaced: bool) -> None:
    """Terminate one instance; the group replaces it, or its desired count falls by one.

    Does nothing if it is already terminated. A second request, as after an answer that was lost, is
    refused by Auto Scaling: the instance is not found or already terminating.
    """
    with translated(f"terminating {instance_id}"):
        try:
            clients("autoscaling").terminate_instance_in_auto_scaling_group(
                InstanceId=instance_id, ShouldDecrementDesiredCapacity=not replaced
            )
        except ClientError as error:
            if error_code(error) != "ValidationError" or not GONE.search(str(error)):
                raise


def delete_group(clients: Clients, name: str) -> None:
    """Delete the group with its instances, even those in a lifecycle hook.

    ForceDelete also ends outstanding lifecycle actions.
    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteAutoScalingGroup.html
    """
    with translated(f"deleting the group {name}"):
        try:
            clients("autoscaling").delete_auto_scaling_group(
                AutoScalingGroupName=name, ForceDelete=True
            )
        except ClientError as error:
            # It was deleted since it was seen.
            if not is_no_group(error):
                raise


def _create(scaling: Any, name: str, desired: GroupSettings) -> None:
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        TargetGroupARNs=list(desired.target_group_arns),
        Tags=_tag_list(name, desired.tags),
        LifecycleHookSpecificationList=[_hook(desired.hook)],
        **_basics(desired),
    )


def _update(scaling: Any, name: str, desired: GroupSettings, found: GroupSettings) -> None:
    group = {"AutoScalingGroupName": name}
    # The hook and the tags come first: they apply to heads that the other changes launch.
    if desired.hook != found.hook:
        scaling.put_lifecycle_hook(**group, **_hook(desired.hook))
    _update_tags(scaling, name, desired, found)
    if _basics(desired) != _basics(found):
        scaling.update_auto_scaling_group(**group, **_basics(desired))
    _update_targets(scaling, group, desired, found)
    if desired.metrics and not found.metrics:
        scaling.enable_metrics_collection(**group, Granularity="1Minute", Metrics=list(METRICS))
    if missing := sorted(set(desired.suspended) - set(found.suspended)):
        scaling.suspend_processes(**group, ScalingProcesses=missing)
    if surplus := sorted(set(found.suspended) - set(desired.suspended)):
        scaling.resume_processes(**group, ScalingProcesses=surplus)


def _update_tags(scaling: Any, name: str, desired: GroupSettings, found: GroupSettings) -> None:
    if added := set(desired.tags) - set(found.tags):
        scaling.create_or_update_tags(Tags=_tag_list(name, tuple(added)))
    if gone := desired.own_tags(found).keys() - dict(desired.tags).keys():
        old = tuple(tag for tag in found.tags if tag[0] in gone)
        scaling.delete_tags(Tags=_tag_list(name, old))


def _update_targets(
    scaling: Any, group: dict[str, str], desired: GroupSettings, found: GroupSettings
) -> None:
    before, after = set(found.target_group_arns), set(desired.target_group_arns)
    if after - before:
        scaling.attach_load_balancer_target_groups(**group, TargetGroupARNs=sorted(after - before))
    if before - after:
        scaling.detach_load_balancer_target_groups(**group, TargetGroupARNs=sorted(before - after))


def _basics(settings: GroupSettings) -> dict[str, Any]:
    """Return what CreateAutoScalingGroup and UpdateAutoScalingGroup share."""
    return {
        "LaunchTemplate": {
            "LaunchTemplateId": settings.template_id,
            "Version": str(settings.template_version),
        },
        "MinSize": settings.min_size,
        "MaxSize": settings.max_size,
        "DesiredCapacity": settings.desired,
        "VPCZoneIdentifier": ",".join(settings.subnet_ids),
        "HealthCheckType": settings.health_check,
        "HealthCheckGracePeriod": settings.grace_seconds,
        "NewInstancesProtectedFromScaleIn": settings.protected,
    }


def _hook(hook: Hook) -> dict[str, Any]:
    return {
        "LifecycleHookName": hook.name,
        "LifecycleTransition": LAUNCHING,
        "HeartbeatTimeout": hook.timeout_seconds,
        "DefaultResult": hook.default,
    }


def _tag_list(name: str, tags: tuple[tuple[str, str], ...]) -> list[dict[str, Any]]:
    where = {"ResourceId": name, "ResourceType": "auto-scaling-group", "PropagateAtLaunch": True}
    return [{**where, "Key": key, "Value": value} for key, value in sorted(tags)]
