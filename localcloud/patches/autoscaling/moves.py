"""Members that a user moves: terminate, attach, detach, standby, protect.

Follows TerminateInstanceInAutoScalingGroup, AttachInstances, DetachInstances, EnterStandby,
ExitStandby and SetInstanceProtection in the API reference.
"""

from functools import cache
from typing import Any

from moto.autoscaling.exceptions import ResourceContentionError, ValidationError
from moto.autoscaling.models import AutoScalingBackend

from localcloud.patches.autoscaling import targets
from localcloud.patches.autoscaling.activities import begin, finish
from localcloud.patches.autoscaling.health import find_member
from localcloud.patches.autoscaling.launching import GROUP_TAG
from localcloud.patches.autoscaling.lifecycle import terminate
from localcloud.patches.autoscaling.records import Activity, Member, members
from localcloud.times import stamp
from localcloud.world import now


def _shrink(group: Any, count: int) -> str:
    """Lower the desired capacity; return the words for an activity's cause."""
    before = int(group.desired_capacity)
    if before - count < int(group.min_size):
        raise ValidationError(
            f"Currently, desiredSize equals minSize ({group.min_size}). Terminating instance "
            "without replacement will violate group's min size constraint. Either set "
            "shouldDecrementDesiredCapacity flag to false or lower group's min size."
        )
    group.desired_capacity = before - count
    return f", shrinking the capacity from {before} to {before - count}"


def _terminate_instance(self: Any, instance_id: str, should_decrement: bool) -> Activity:
    member = find_member(instance_id)
    if member.is_terminating and member.activity:
        return member.activity
    shrunk = _shrink(member.auto_scaling_group, 1) if should_decrement else ""
    terminate(
        member,
        f"At {stamp(now())} instance {instance_id} was taken out of service in response to a user "
        f"request{shrunk}.",
    )
    assert member.activity is not None  # noqa: S101 - terminate() has just begun it
    return member.activity


def _chosen(group: Any, instance_ids: list[str], *states: str) -> list[Member]:
    by_id = {member.instance_id: member for member in members(group)}
    for instance_id in instance_ids:
        if instance_id not in by_id:
            raise ValidationError(
                f"The instance {instance_id} is not part of Auto Scaling group {group.name}."
            )
        if by_id[instance_id].lifecycle_state not in states:
            raise ValidationError(f"The instance {instance_id} is not in {' or '.join(states)}.")
    return [by_id[instance_id] for instance_id in instance_ids]


def _detach_instances(
    self: Any, group_name: str, instance_ids: list[str], should_decrement: bool
) -> list[Activity]:
    group = self.autoscaling_groups[group_name]
    chosen = _chosen(group, instance_ids, "InService", "Standby")
    shrunk = _shrink(group, len(chosen)) if should_decrement else ""
    for member in chosen:
        targets.deregister(group, member)
        self.ec2_backend.delete_tags([member.instance_id], {GROUP_TAG: group.name})
        members(group).remove(member)
    return [_moved(group, f"Detaching EC2 instance: {m.instance_id}", shrunk) for m in chosen]


def _attach_instances(self: Any, group_name: str, instance_ids: list[str]) -> None:
    group = self.autoscaling_groups[group_name]
    if int(group.desired_capacity) + len(instance_ids) > int(group.max_size):
        raise ResourceContentionError
    for instance_id in instance_ids:
        instance = self.ec2_backend.get_instance(instance_id)
        instance.add_tags({GROUP_TAG: group.name})
        member = Member(
            instance=instance,
            auto_scaling_group=group,
            launch_template=None,
            lifecycle_state="Pending",
            activity=_moved(group, f"Attaching an existing EC2 instance: {instance_id}", ""),
        )
        members(group).append(member)
    group.desired_capacity += len(instance_ids)


def _enter_standby_instances(
    self: Any, group_name: str, instance_ids: list[str], should_decrement: bool
) -> list[Activity]:
    group = self.autoscaling_groups[group_name]
    chosen = _chosen(group, instance_ids, "InService")
    shrunk = _shrink(group, len(chosen)) if should_decrement else ""
    for member in chosen:
        targets.deregister(group, member)
        member.lifecycle_state = "Standby"
    return [
        _moved(group, f"Moving EC2 instance to Standby: {m.instance_id}", shrunk) for m in chosen
    ]


def _exit_standby_instances(self: Any, group_name: str, instance_ids: list[str]) -> list[Activity]:
    """They pass through Pending again; launch hooks do not apply to them."""
    group = self.autoscaling_groups[group_name]
    chosen = _chosen(group, instance_ids, "Standby")
    if int(group.desired_capacity) + len(chosen) > int(group.max_size):
        raise ValidationError("The group's max size does not allow for more instances in service.")
    group.desired_capacity += len(chosen)
    for member in chosen:
        member.lifecycle_state = "Pending:Proceed"
    return [
        _moved(group, f"Moving EC2 instance out of Standby: {m.instance_id}", "") for m in chosen
    ]


def _moved(group: Any, description: str, shrunk: str) -> Activity:
    instance_id = description.rsplit(" ", 1)[-1]
    cause = f"At {stamp(now())} {instance_id} was moved in response to a user request{shrunk}."
    activity = begin(group, description, cause)
    finish(activity)
    return activity


def _set_instance_protection(
    self: Any, group_name: str, instance_ids: list[str], protected_from_scale_in: bool
) -> None:
    group = self.autoscaling_groups[group_name]
    for member in _chosen(group, instance_ids, "InService"):
        member.protected_from_scale_in = bool(protected_from_scale_in)


@cache
def install() -> None:
    AutoScalingBackend.terminate_instance = _terminate_instance
    AutoScalingBackend.detach_instances = _detach_instances
    AutoScalingBackend.attach_instances = _attach_instances
    AutoScalingBackend.enter_standby_instances = _enter_standby_instances
    AutoScalingBackend.exit_standby_instances = _exit_standby_instances
    AutoScalingBackend.set_instance_protection = _set_instance_protection
