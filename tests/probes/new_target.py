"""A new target of a network load balancer is healthy within 300 s, and gets no traffic before.

Where no head stands by, clients wait for as long after the loss of one.
"""

from common.waiting import Seen
from tests.probes.place import Place

SOURCE = (
    "https://docs.aws.amazon.com/elasticloadbalancing/latest/network/"
    "target-group-health-checks.html"
)
ASSUMED = "healthy within 300 s, no traffic before"
LONGEST, INTERVAL = 300, 10
PORT = 22  # SSH, whose server speaks first: what arrives is the target's own


def probe(place: Place) -> str:
    elbv2, subnet = place.clients("elbv2"), place.default_subnet()
    target = {"Id": place.launch_public(PORT)}
    group = elbv2.create_target_group(
        **{"Name": place.name, "Protocol": "TCP", "Port": PORT, "VpcId": subnet["VpcId"]},
        **{"HealthCheckIntervalSeconds": INTERVAL, "HealthyThresholdCount": 2},
        Tags=place.tags,
    )["TargetGroups"][0]["TargetGroupArn"]
    place.afterwards(f"targets {group}", lambda: elbv2.delete_target_group(TargetGroupArn=group))
    name = create_balancer(place, subnet["SubnetId"], group)
    begun, after = place.clock.now(), dict[str, float]()
    elbv2.register_targets(TargetGroupArn=group, Targets=[target])

    def look() -> Seen[bool]:
        found = elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        state = found[0]["TargetHealth"]["State"]
        for what, seen in (("healthy", state == "healthy"), ("traffic", place.hears(name, PORT))):
            if seen:
                after.setdefault(what, place.clock.now() - begun)
        return Seen(len(after) == 2 or None, f"{state}; {after}")

    place.until("a healthy target that gets traffic", look)
    place.notes.append(", ".join(f"{what} after {after[what]:.0f} s" for what in sorted(after)))
    within = "within" if after["healthy"] <= LONGEST else "not within"
    # DescribeTargetHealth may be as late as a check.
    early = "traffic" if after["traffic"] < after["healthy"] - INTERVAL else "no traffic"
    return f"healthy {within} {LONGEST} s, {early} before"


def create_balancer(place: Place, subnet: str, group: str) -> str:
    """Create a load balancer that forwards to the group; return its name once it is active."""
    elbv2 = place.clients("elbv2")
    made = elbv2.create_load_balancer(
        Name=place.name, Type="network", Scheme="internet-facing", Subnets=[subnet], Tags=place.tags
    )["LoadBalancers"][0]
    which = {"LoadBalancerArn": made["LoadBalancerArn"]}
    place.afterwards(f"load balancer {place.name}", lambda: elbv2.delete_load_balancer(**which))
    forward = {"Type": "forward", "TargetGroupArn": group}
    elbv2.create_listener(**which, Protocol="TCP", Port=PORT, DefaultActions=[forward])

    def active() -> Seen[bool]:
        (found,) = elbv2.describe_load_balancers(LoadBalancerArns=[which["LoadBalancerArn"]])[
            "LoadBalancers"
        ]
        state = found["State"]["Code"]
        return Seen(state == "active" or None, state)

    place.until(f"load balancer {place.name}", active)
    return str(made["DNSName"])
