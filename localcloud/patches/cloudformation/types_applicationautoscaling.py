"""AWS::ApplicationAutoScaling types.

Properties and update behaviour: docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/
AWS_ApplicationAutoScaling.html. A target's physical id is RESOURCE|DIMENSION|NAMESPACE.
"""

from typing import Any

from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.resources import Failed, Place, ResourceType, register
from localcloud.patches.cloudformation.types_vpc import chosen
from localcloud.patches.internal import call

SERVICE = "application-autoscaling"
OF_A_TARGET = ("ResourceId", "ScalableDimension", "ServiceNamespace")


@register
class ScalableTarget(ResourceType):
    type_name = "AWS::ApplicationAutoScaling::ScalableTarget"
    replacing = frozenset(OF_A_TARGET)
    required = replacing | {"MaxCapacity", "MinCapacity"}
    properties = required | {"RoleARN", "SuspendedState"}
    attributes = frozenset({"Id"})
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        given = chosen(properties, *self.properties)
        call(SERVICE, "register_scalable_target", **given)
        return "|".join(str(properties[name]) for name in OF_A_TARGET)

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        if old:
            given = chosen(new, *self.properties)
            call(SERVICE, "register_scalable_target", **given)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call(SERVICE, "deregister_scalable_target", **_target(physical_id))

    def attribute(self, physical_id: str, name: str) -> Any:
        return physical_id if name == "Id" else super().attribute(physical_id, name)


@register
class ScalingPolicy(ResourceType):
    type_name = "AWS::ApplicationAutoScaling::ScalingPolicy"
    replacing = frozenset({*OF_A_TARGET, "PolicyName", "ScalingTargetId"})
    required = frozenset({"PolicyName", "PolicyType"})
    settable = frozenset(
        {"StepScalingPolicyConfiguration", "TargetTrackingScalingPolicyConfiguration"}
    )
    properties = replacing | required | settable
    attributes = frozenset({"Arn"})
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        return self._put(properties)

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        if old:
            self._put(new)

    def _put(self, properties: Tree) -> str:
        given = chosen(properties, "PolicyName", "PolicyType", *self.settable)
        return str(call(SERVICE, "put_scaling_policy", **given, **_owner(properties))["PolicyARN"])

    def delete(self, physical_id: str, properties: Tree) -> None:
        name = properties["PolicyName"]
        call(SERVICE, "delete_scaling_policy", PolicyName=name, **_owner(properties))

    def attribute(self, physical_id: str, name: str) -> Any:
        return physical_id if name == "Arn" else super().attribute(physical_id, name)


def _target(identifier: str) -> Tree:
    return dict(zip(OF_A_TARGET, identifier.split("|"), strict=True))


def _owner(properties: Tree) -> Tree:
    """Return the target of a policy, which names it or its parts."""
    if identifier := properties.get("ScalingTargetId"):
        return _target(identifier)
    if missing := [name for name in OF_A_TARGET if name not in properties]:
        raise Failed(f"a scaling policy needs ScalingTargetId, or {', '.join(missing)}")
    return chosen(properties, *OF_A_TARGET)
