"""The group itself: created, resized, updated and deleted as AWS allows it.

Follows CreateAutoScalingGroup, UpdateAutoScalingGroup, SetDesiredCapacity, DeleteAutoScalingGroup,
SuspendProcesses and CreateOrUpdateTags in the Amazon EC2 Auto Scaling API reference. moto accepts
any size, ignores hooks at creation, turns a grace period of 0 into 300, and deletes a group with
its instances at once; an unknown name is an internal error.
"""

from functools import cache
from typing import Any

from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import EmptyResult

from localcloud.patches.autoscaling.activities import deleted
from localcloud.patches.autoscaling.hooks import put_hook
from localcloud.patches.autoscaling.lifecycle import terminate
from localcloud.patches.autoscaling.records import members, record
from localcloud.times import moment, stamp
from localcloud.world import now

GROUP_FIELDS = {
    "DefaultCooldown": "default_cooldown",
    "DefaultInstanceWarmup": "default_instance_warmup",
    "TerminationPolicies": "termination_policies",
}


SUPPORTED = {
    *GROUP_FIELDS,
    "AutoScalingGroupName",
    "AvailabilityZones",
    "DesiredCapacity",
    "HealthCheckGracePeriod",
    "HealthCheckType",
    "LaunchTemplate",
    "LifecycleHookSpecificationList",
    "MaxSize",
    "MinSize",
    "NewInstancesProtectedFromScaleIn",
    "ServiceLinkedRoleARN",
    "Tags",
    "TargetGroupARNs",
    "VPCZoneIdentifier",
}


class Groups(dict[str, Any]):
    """The groups of one account and region; another name raises AWS's error."""

    def __missing__(self, name: str) -> Any:
        raise ValidationError(
            f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"
        )


def _set_capacity(self: Any, new_capacity: int | None) -> None:
    """Only set the number: the group's step launches and terminates instances."""
    self.desired_capacity = self.min_size if new_capacity is None else new_capacity


def _set_desired_capacity(self: Any, group_name: str, desired_capacity: int) -> None:
    group = self.autoscaling_groups[group_name]
    if desired_capacity > int(group.max_size):
        raise ValidationError(
            f"New SetDesiredCapacity value {desired_capacity} is above max value {group.max_size} "
            "for the AutoScalingGroup."
        )
    if desired_capacity < int(group.min_size):
        raise ValidationError(
            f"New SetDesiredCapacity value {desired_capacity} is below min value {group.min_size} "
            "for the AutoScalingGroup."
        )
    _resize(group, desired_capacity, "a user request explicitly set group desired capacity")


def _resize(group: Any, desired: int, why: str) -> None:
    before = int(group.desired_capacity)
    group.desired_capacity = desired
    if before != desired:
        record(
            group
        ).capacity_cause = (
            f"At {stamp(now())} {why} changing the desired capacity from {before} to {desired}.  "
        )


def _check_sizes(least: int, most: int, desired: int | None) -> None:
    if least > most:
        raise ValidationError(
            f"Max bound, {most}, must be greater than or equal to min bound, {least}"
        )
    if desired is not None and not least <= desired <= most:
        raise ValidationError(
            f"Desired capacity:{desired} must be between the specified min size:{least} and max "
            f"size:{most}"
        )


def _refuse_unsupported(params: dict[str, Any]) -> None:
    """Refuse what would be silently ignored."""
    if unknown := sorted(params.keys() - SUPPORTED):
        raise ValidationError(f"The local cloud does not support {', '.join(unknown)} for groups.")
    for hook in params.get("LifecycleHookSpecificationList", []):
        if not hook.get("LifecycleTransition"):
            raise ValidationError("A lifecycle hook needs a LifecycleTransition.")


def _create_group(create: Any) -> Any:
    """Wrap moto's creation: validate first; then hooks, settings and the reason for its size."""

    def create_auto_scaling_group(self: Any) -> Any:
        params, backend = self._get_params(), self.autoscaling_backend
        name, desired = params["AutoScalingGroupName"], self._get_int_param("DesiredCapacity")
        if name in backend.autoscaling_groups:
            raise AutoscalingClientError(
                "AlreadyExists",
                "AutoScalingGroup by this name already exists - A group with the name "
                f"{name} already exists",
            )
        _refuse_unsupported(params)
        _check_sizes(self._get_int_param("MinSize"), self._get_int_param("MaxSize"), desired)
        answer = create(self)
        group = backend.autoscaling_groups[name]
        group.created_time = moment(now())
        group.health_check_grace_period = self._get_int_param("HealthCheckGracePeriod") or 0
        _set_fields(group, params)
        for hook in params.get("LifecycleHookSpecificationList", []):
            put_hook(backend, name, hook)
        record(group).capacity_cause = (
            f"At {stamp(now())} a user request created an AutoScalingGroup changing the desired "
            f"capacity from 0 to {group.desired_capacity}.  "
        )
        return answer

    return create_auto_scaling_group


def _update_group(update: Any) -> Any:
    """Wrap moto's update: sizes stay in bounds, and unnamed settings stay."""

    def update_auto_scaling_group(self: Any) -> Any:
        params = self._get_params()
        group = self.autoscaling_backend.autoscaling_groups[params["AutoScalingGroupName"]]
        _refuse_unsupported(params)
        least = self._get_int_param("MinSize", int(group.min_size))
        most = self._get_int_param("MaxSize", int(group.max_size))
        requested, before = self._get_int_param("DesiredCapacity"), int(group.desired_capacity)
        _check_sizes(least, most, requested)
        answer = update(self)
        _set_fields(group, params)
        group.desired_capacity = before
        desired = requested if requested is not None else max(least, min(before, most))
        why = (
            f"a user request update of AutoScalingGroup constraints to min: {least}, max: {most}, "
            f"desired: {desired}"
        )
        _resize(group, desired, why)
        return answer

    return update_auto_scaling_group


def _set_fields(group: Any, params: dict[str, Any]) -> None:
    for name, attribute in GROUP_FIELDS.items():
        if params.get(name) is not None:
            setattr(group, attribute, params[name])


def _delete_group(self: Any) -> EmptyResult:
    """Without force a group must be empty and idle; with it, instances terminate without hooks."""
    name = self._get_param("AutoScalingGroupName")
    group = self.autoscaling_backend.autoscaling_groups[name]
    if not self._get_bool_param("ForceDelete", False):
        _refuse_busy(group)
    group.deleting, group.status = True, "Delete in progress"
    group.min_size = group.max_size = group.desired_capacity = 0
    for member in list(members(group)):
        terminate(
            member, f"At {stamp(now())} a user request force deleted AutoScalingGroup {name}."
        )
    forget_if_empty(group)
    return EmptyResult()


def _refuse_busy(group: Any) -> None:
    if members(group):
        raise AutoscalingClientError(
            "ResourceInUse",
            "You cannot delete an AutoScalingGroup while there are instances or pending Spot "
            "instance request(s) still in the group.",
        )
    if any(activity.is_open for activity in record(group).activities):
        raise AutoscalingClientError(
            "ScalingActivityInProgress",
            "You cannot delete an AutoScalingGroup while there are scaling activities in progress "
            "for that group.",
        )


def forget_if_empty(group: Any) -> None:
    """Remove a group being deleted once its last instance is gone."""
    backend = group.autoscaling_backend
    if not group.deleting or members(group):
        return
    deleted(backend)[group.name] = record(group).activities
    for key, hook in list(backend.lifecycle_hooks.items()):
        if hook.auto_scaling_group_name == group.name:
            del backend.lifecycle_hooks[key]
    backend.autoscaling_groups.pop(group.name, None)


def _delete_from_stack(self: Any, group_name: str) -> None:
    """CloudFormation scales a group in before it deletes it; moto calls this for both."""
    group = self.autoscaling_groups[group_name]
    group.deleting, group.status = True, "Delete in progress"
    group.min_size = group.max_size = group.desired_capacity = 0


def _backend_init(init: Any) -> Any:
    def __init__(self: Any, region_name: str, account_id: str) -> None:  # noqa: N807
        init(self, region_name, account_id)
        self.autoscaling_groups = Groups()

    return __init__


def _group_init(init: Any) -> Any:
    def __init__(self: Any, **kwargs: Any) -> None:  # noqa: N807
        self.deleting, self.status = False, None
        init(self, **kwargs)

    return __init__


@cache
def install() -> None:
    AutoScalingBackend.__init__ = _backend_init(AutoScalingBackend.__init__)
    AutoScalingBackend.set_desired_capacity = _set_desired_capacity
    AutoScalingBackend.delete_auto_scaling_group = _delete_from_stack
    FakeAutoScalingGroup.__init__ = _group_init(FakeAutoScalingGroup.__init__)
    FakeAutoScalingGroup.set_desired_capacity = _set_capacity
    AutoScalingResponse.create_auto_scaling_group = _create_group(
        AutoScalingResponse.create_auto_scaling_group
    )
    AutoScalingResponse.update_auto_scaling_group = _update_group(
        AutoScalingResponse.update_auto_scaling_group
    )
    AutoScalingResponse.delete_auto_scaling_group = _delete_group
