"""A group's instances in its target groups: in when they enter service, out when they leave it.

Follows https://docs.aws.amazon.com/autoscaling/ec2/userguide/autoscaling-load-balancer.html and
attach-load-balancer-asg.html (attaching registers what is in service, detaching drains it). moto
registers members at any time, and refuses those that do not run yet.
"""

from functools import cache
from typing import Any

from botocore.exceptions import ClientError
from moto.autoscaling.models import AutoScalingBackend

from localcloud.patches import internal
from localcloud.patches.autoscaling.records import Member, members, suspended


def register(group: Any, member: Member) -> None:
    """Register a member with every target group of its group."""
    if not suspended(group, "AddToLoadBalancer"):
        for arn in group.target_group_arns:
            _call("register_targets", arn, [member])


def deregister(group: Any, member: Member) -> None:
    """Take a member out of every target group."""
    for arn in group.target_group_arns:
        _call("deregister_targets", arn, [member])


def draining(group: Any, member: Member) -> bool:
    """Say whether connections of a deregistered member are still being drained."""
    return any(_health(group, arn, member) == "draining" for arn in group.target_group_arns)


def unhealthy(group: Any, member: Member) -> bool:
    """Say whether the member is unhealthy in any target group."""
    return any(_health(group, arn, member) == "unhealthy" for arn in group.target_group_arns)


def _call(operation: str, arn: str, found: list[Member]) -> None:
    """A target group or target that was deleted is no error of the group."""
    if not found:
        return
    api = internal.client("elbv2")
    try:
        getattr(api, operation)(
            TargetGroupArn=arn, Targets=[{"Id": member.instance_id} for member in found]
        )
    except ClientError:
        return


def _health(group: Any, arn: str, member: Member) -> str:
    target_group = group.autoscaling_backend.elbv2_backend.target_groups.get(arn)
    if target_group is None:
        return "unused"
    return str(target_group.health_for({"Id": member.instance_id}, group.ec2_backend).status)


def _attach(self: Any, group_name: str, target_group_arns: list[str]) -> None:
    group = self.autoscaling_groups[group_name]
    new = [arn for arn in target_group_arns if arn not in group.target_group_arns]
    group.append_target_groups(new)
    for arn in new:
        _call("register_targets", arn, _in_service(group))


def _detach(self: Any, group_name: str, target_group_arns: list[str]) -> None:
    group = self.autoscaling_groups[group_name]
    for arn in target_group_arns:
        _call("deregister_targets", arn, _in_service(group))
    kept = [arn for arn in group.target_group_arns if arn not in target_group_arns]
    group.target_group_arns = kept


def _in_service(group: Any) -> list[Member]:
    return [member for member in members(group) if member.lifecycle_state == "InService"]


def _nothing(self: Any, group_name: str) -> None:
    """Registration follows the members' states, not the calls."""


@cache
def install() -> None:
    AutoScalingBackend.attach_load_balancer_target_groups = _attach
    AutoScalingBackend.detach_load_balancer_target_groups = _detach
    AutoScalingBackend.update_attached_target_groups = _nothing
    AutoScalingBackend.update_attached_elbs = _nothing
