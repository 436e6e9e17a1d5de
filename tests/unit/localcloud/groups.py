"""One Auto Scaling group over two zones, with the calls that tests need."""

from collections.abc import Callable
from typing import Any

from tests.unit.localcloud.fakes import FakeClock

NAME = "heads"
LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
SETTLED = 30.0  # seconds in which an instance boots and enters service


class Group:
    """One group over two zones, with the calls that a test needs."""

    def __init__(self, aws: Callable[[str], Any], clock: FakeClock) -> None:
        self.api, self.ec2, self.clock = aws("autoscaling"), aws("ec2"), clock
        self.vpc = self.ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [self._subnet(n, f"us-east-1{zone}") for n, zone in enumerate("ab")]
        answer = self.ec2.create_launch_template(
            LaunchTemplateName="head",
            LaunchTemplateData={"ImageId": "ami-1", "InstanceType": "t3.large"},
        )
        self.template = answer["LaunchTemplate"]["LaunchTemplateId"]

    def _subnet(self, number: int, zone: str) -> str:
        answer = self.ec2.create_subnet(
            VpcId=self.vpc, CidrBlock=f"10.77.{number}.0/24", AvailabilityZone=zone
        )
        return str(answer["Subnet"]["SubnetId"])

    def create(self, size: int = 1, most: int = 3, least: int = 0, **settings: Any) -> None:
        self.api.create_auto_scaling_group(
            AutoScalingGroupName=NAME,
            MinSize=least,
            MaxSize=most,
            DesiredCapacity=size,
            VPCZoneIdentifier=",".join(self.subnets),
            LaunchTemplate={"LaunchTemplateId": self.template, "Version": "1"},
            **settings,
        )

    def hook(self, transition: str = LAUNCHING, **settings: Any) -> None:
        self.api.put_lifecycle_hook(
            LifecycleHookName="ready",
            AutoScalingGroupName=NAME,
            LifecycleTransition=transition,
            **settings,
        )

    def complete(self, result: str = "CONTINUE", **which: str) -> None:
        self.api.complete_lifecycle_action(
            LifecycleHookName="ready",
            AutoScalingGroupName=NAME,
            LifecycleActionResult=result,
            **which,
        )

    def resize(self, size: int) -> None:
        self.api.set_desired_capacity(AutoScalingGroupName=NAME, DesiredCapacity=size)

    def update(self, **settings: Any) -> None:
        self.api.update_auto_scaling_group(AutoScalingGroupName=NAME, **settings)

    def described(self) -> dict[str, Any] | None:
        found = self.api.describe_auto_scaling_groups(AutoScalingGroupNames=[NAME])
        return next(iter(found["AutoScalingGroups"]), None)

    @property
    def instances(self) -> list[dict[str, Any]]:
        group = self.described()
        return group["Instances"] if group else []

    @property
    def states(self) -> list[str]:
        return sorted(instance["LifecycleState"] for instance in self.instances)

    @property
    def ids(self) -> list[str]:
        return [instance["InstanceId"] for instance in self.instances]

    def instance(self, instance_id: str) -> dict[str, Any]:
        found = self.ec2.describe_instances(InstanceIds=[instance_id])
        instance: dict[str, Any] = found["Reservations"][0]["Instances"][0]
        return instance

    def activities(self, **wanted: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.describe_scaling_activities(
            AutoScalingGroupName=NAME, **wanted
        )["Activities"]
        return found

    def settle(self, seconds: float = SETTLED) -> None:
        self.clock.advance(seconds)
