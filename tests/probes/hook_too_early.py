"""A launch hook cannot be completed before the instance waits for it.

A head that answers at its boot may be too early; it must answer again until it is in service.
"""

from functools import partial
from typing import Any

from common.waiting import Seen
from tests.probes.place import Place, answer_to

SOURCE = "https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html"
ASSUMED = "Pending: ValidationError; Pending:Wait: done; then InService"
HOOK = {
    "LifecycleHookName": "ready",
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
    "HeartbeatTimeout": 300,
}
FIRST, HELD, SERVED = "Pending", "Pending:Wait", "InService"


def probe(place: Place) -> str:
    seen = dict[str, str]()
    create_group(place)

    def look() -> Seen[bool]:
        for one in members(place):
            state = one["LifecycleState"]
            if state in (FIRST, HELD) and state not in seen:
                seen[state] = answer_to(partial(complete, place, one["InstanceId"]))
            if state == SERVED:
                return Seen(True, state)
        return Seen(None, str(members(place)))

    place.until("an instance in service", look, every=0.5)
    return "; ".join(f"{state}: {answer}" for state, answer in seen.items()) + f"; then {SERVED}"


def create_group(place: Place) -> None:
    """Create a group of one instance, with the hook, in a default subnet."""
    autoscaling, name = place.clients("autoscaling"), {"AutoScalingGroupName": place.name}
    default = [{"Name": "default-for-az", "Values": ["true"]}]
    subnets = place.clients("ec2").describe_subnets(Filters=default)["Subnets"]
    template = place.template(TagSpecifications=place.tagged("instance"))
    autoscaling.create_auto_scaling_group(
        **name,
        MinSize=1,
        MaxSize=1,
        VPCZoneIdentifier=subnets[0]["SubnetId"],
        LaunchTemplate={"LaunchTemplateId": template, "Version": "1"},
        LifecycleHookSpecificationList=[HOOK],
    )

    def delete() -> None:
        autoscaling.delete_auto_scaling_group(**name, ForceDelete=True)
        place.until(
            "the group's end",
            lambda: Seen(not groups(place) or None, f"{len(members(place))} instances"),
        )

    place.afterwards(f"Auto Scaling group {place.name}", delete)


def complete(place: Place, instance_id: str) -> None:
    """Say that the instance may go on."""
    place.clients("autoscaling").complete_lifecycle_action(
        AutoScalingGroupName=place.name,
        LifecycleHookName=HOOK["LifecycleHookName"],
        InstanceId=instance_id,
        LifecycleActionResult="CONTINUE",
    )


def groups(place: Place) -> list[Any]:
    """Return the group, while it exists."""
    described = place.clients("autoscaling").describe_auto_scaling_groups
    return list(described(AutoScalingGroupNames=[place.name])["AutoScalingGroups"])


def members(place: Place) -> list[Any]:
    """Return the group's instances."""
    return [one for group in groups(place) for one in group["Instances"]]
