"""A new target of a network load balancer is healthy within 300 s, and gets no traffic before.

Where no head stands by, clients wait for as long after the loss of one.
"""

from contextlib import suppress
from math import inf

from common.errors import TimedOut
from common.waiting import Seen
from tests.probes.kit.groups import balancer, target_group
from tests.probes.kit.instances import launch_public
from tests.probes.kit.place import Place

SOURCE = (
    "https://docs.aws.amazon.com/elasticloadbalancing/latest/network/"
    "target-group-health-checks.html"
)
ASSUMED = "healthy within 300 s, no traffic before"
LONGEST, INTERVAL = 300, 10
PORT = 22  # SSH, whose server speaks first: what arrives is the target's own


def probe(place: Place) -> str:
    elbv2, instance = place.clients("elbv2"), launch_public(place, PORT)
    often = {"HealthCheckIntervalSeconds": INTERVAL, "HealthyThresholdCount": 2}
    group = target_group(place, PORT, **often)
    name = balancer(place, PORT, group)
    begun, after = place.clock.now(), dict[str, float]()
    elbv2.register_targets(TargetGroupArn=group, Targets=[{"Id": instance}])

    def look() -> Seen[bool]:
        found = elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        state = found[0]["TargetHealth"]["State"]
        for what, seen in (("healthy", state == "healthy"), ("traffic", place.hears(name, PORT))):
            if seen:
                after.setdefault(what, place.clock.now() - begun)
        return Seen(len(after) == 2 or None, f"{state}; {after}")

    with suppress(TimedOut):
        place.until("a healthy target that gets traffic", look)
    place.notes.extend(f"{what} after {after[what]:.0f} s" for what in sorted(after))
    healthy, traffic = (after.get(what, inf) for what in ("healthy", "traffic"))
    within = "within" if healthy <= LONGEST else "not within"
    # DescribeTargetHealth may be as late as a check.
    early = "traffic" if traffic < healthy - INTERVAL else "no traffic"
    return f"healthy {within} {LONGEST} s, {early} before"
