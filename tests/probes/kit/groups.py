"""A probe's Auto Scaling group, and its load balancer."""

from collections.abc import Callable
from typing import Any

from common.waiting import Seen
from tests.probes.kit.instances import find_slot, template
from tests.probes.kit.place import Place


def scaling_group(place: Place, **more: Any) -> Callable[[], list[dict[str, Any]]]:
    """Create an Auto Scaling group of one instance; return what looks at its members."""
    autoscaling, name, slot = place.clients("autoscaling"), place.name, find_slot(place)
    made = template(place, slot, TagSpecifications=place.tagged("instance", "volume"))
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        **{"MinSize": 1, "MaxSize": 1, "VPCZoneIdentifier": slot.subnet_id},
        LaunchTemplate={"LaunchTemplateId": made, "Version": "1"},
        Tags=[{**tag, "PropagateAtLaunch": True} for tag in place.tags],
        **more,
    )

    def groups() -> list[dict[str, Any]]:
        found = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        return list(found["AutoScalingGroups"])

    place.afterwards(
        f"Auto Scaling group {name}",
        lambda: autoscaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True),
        gone=lambda: Seen(not groups() or None, "still there"),
    )
    return lambda: [dict(one) for group in groups() for one in group["Instances"]]


def target_group(place: Place, port: int, **more: Any) -> str:
    """Create the target group of a network load balancer; return its ARN."""
    elbv2 = place.clients("elbv2")
    arn = elbv2.create_target_group(
        **{"Name": place.name, "Protocol": "TCP", "Port": port, "Tags": place.tags},
        VpcId=find_slot(place).vpc_id,
        **more,
    )["TargetGroups"][0]["TargetGroupArn"]
    place.afterwards(f"targets {arn}", lambda: elbv2.delete_target_group(TargetGroupArn=arn))
    return str(arn)


def balancer(place: Place, port: int, targets: str) -> str:
    """Create a load balancer on the internet that forwards; return its name once it is active."""
    elbv2 = place.clients("elbv2")
    made = elbv2.create_load_balancer(
        **{"Name": place.name, "Type": "network", "Scheme": "internet-facing"},
        **{"Subnets": [find_slot(place).subnet_id], "Tags": place.tags},
    )["LoadBalancers"][0]
    which = {"LoadBalancerArn": made["LoadBalancerArn"]}
    place.afterwards(f"load balancer {place.name}", lambda: elbv2.delete_load_balancer(**which))
    forward = {"Type": "forward", "TargetGroupArn": targets}
    elbv2.create_listener(**which, Protocol="TCP", Port=port, DefaultActions=[forward])

    def active() -> Seen[bool]:
        found = elbv2.describe_load_balancers(LoadBalancerArns=[which["LoadBalancerArn"]])
        state = found["LoadBalancers"][0]["State"]["Code"]
        return Seen(state == "active" or None, state)

    place.until(f"load balancer {place.name}", active)
    return str(made["DNSName"])
