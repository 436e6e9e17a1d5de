"""A launch hook cannot be completed before the instance waits for it.

A head that answers at its boot may be too early; it must answer again until it is in service.
"""

from functools import partial

from common.errors import Unanswered
from common.waiting import Seen
from tests.probes.kit.groups import scaling_group
from tests.probes.kit.place import Place, answer_to

SOURCE = "https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html"
ASSUMED = "Pending: ValidationError; Pending:Wait: done; then InService"
LAUNCHING = {"LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING", "HeartbeatTimeout": 300}
HOOK = {"LifecycleHookName": "ready"}
FIRST, HELD, SERVED = "Pending", "Pending:Wait", "InService"


def probe(place: Place) -> str:
    members = scaling_group(place, LifecycleHookSpecificationList=[HOOK | LAUNCHING])
    go_on = {**HOOK, "AutoScalingGroupName": place.name, "LifecycleActionResult": "CONTINUE"}
    complete = partial(place.clients("autoscaling").complete_lifecycle_action, **go_on)
    seen = dict[str, str]()

    def look() -> Seen[bool]:
        states = {one["InstanceId"]: str(one["LifecycleState"]) for one in members()}
        for instance, state in states.items():
            if state in (FIRST, HELD) and state not in seen:
                seen[state] = answer_to(partial(complete, InstanceId=instance))
        return Seen(SERVED in states.values() or None, ", ".join(states.values()))

    place.until("an instance in service", look, every=0.5)
    if FIRST not in seen:
        raise Unanswered("the instance waited for the hook before it was looked at")
    return "; ".join(f"{state}: {answer}" for state, answer in seen.items()) + f"; then {SERVED}"
