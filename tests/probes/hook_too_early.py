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
    autoscaling, name = place.clients("autoscaling"), {"AutoScalingGroupName": place.name}
    template = place.template(TagSpecifications=place.tagged("instance"))
    autoscaling.create_auto_scaling_group(
        **{**name, "MinSize": 1, "MaxSize": 1, "LifecycleHookSpecificationList": [HOOK]},
        VPCZoneIdentifier=place.default_subnet()["SubnetId"],
        LaunchTemplate={"LaunchTemplateId": template, "Version": "1"},
    )

    def groups() -> list[Any]:
        described = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[place.name])
        return list(described["AutoScalingGroups"])

    place.afterwards(
        f"Auto Scaling group {place.name}",
        lambda: autoscaling.delete_auto_scaling_group(**name, ForceDelete=True),
        gone=lambda: Seen(not groups() or None, "still there"),
    )
    go_on = {**name, "LifecycleHookName": "ready", "LifecycleActionResult": "CONTINUE"}
    complete = partial(autoscaling.complete_lifecycle_action, **go_on)
    seen = dict[str, str]()

    def look() -> Seen[bool]:
        members = [one for group in groups() for one in group["Instances"]]
        for one in members:
            state = one["LifecycleState"]
            if state in (FIRST, HELD) and state not in seen:
                seen[state] = answer_to(partial(complete, InstanceId=one["InstanceId"]))
        states = [one["LifecycleState"] for one in members]
        return Seen(SERVED in states or None, f"{states}")

    place.until("an instance in service", look, every=0.5)
    return "; ".join(f"{state}: {answer}" for state, answer in seen.items()) + f"; then {SERVED}"
