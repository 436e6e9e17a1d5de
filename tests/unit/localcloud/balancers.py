"""One network load balancer over two zones, with the calls that tests need."""

from collections.abc import Callable
from typing import Any

from moto.elbv2.models import elbv2_backends

from localcloud.patches.elbv2 import forwarding
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

GCS, GUARD = 6379, 8479


class Balancer:
    """A load balancer over two zones with one listener, and targets that a test launches."""

    def __init__(self, aws: Callable[[str], Any], clock: FakeClock, driver: FakeDriver) -> None:
        self.api, self.ec2 = aws("elbv2"), aws("ec2")
        self.clock, self.driver = clock, driver
        self.vpc = self.ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [self._subnet(n, f"us-east-1{zone}") for n, zone in enumerate("ab")]
        self.group = self.security_group("balancer")
        self.arn = ""
        self.targets = ""

    def _subnet(self, number: int, zone: str) -> str:
        answer = self.ec2.create_subnet(
            VpcId=self.vpc, CidrBlock=f"10.77.{number}.0/24", AvailabilityZone=zone
        )
        return str(answer["Subnet"]["SubnetId"])

    def security_group(self, name: str) -> str:
        answer = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)
        return str(answer["GroupId"])

    def create(self, crosses: bool = True, **settings: Any) -> dict[str, Any]:
        wanted: dict[str, Any] = {
            "Type": "network",
            "SecurityGroups": [self.group],
            "Subnets": self.subnets,
        }
        answer = self.api.create_load_balancer(Name="head", Scheme="internal", **wanted | settings)[
            "LoadBalancers"
        ][0]
        self.arn = answer["LoadBalancerArn"]
        self.api.modify_load_balancer_attributes(
            LoadBalancerArn=self.arn,
            Attributes=[
                {"Key": "load_balancing.cross_zone.enabled", "Value": str(crosses).lower()}
            ],
        )
        created: dict[str, Any] = answer
        return created

    def listen(self, delay: int = 0, **check: Any) -> None:
        wanted: dict[str, Any] = {
            "HealthCheckProtocol": "HTTP",
            "HealthCheckPort": str(GUARD),
            "HealthCheckPath": "/leader",
            "HealthCheckIntervalSeconds": 10,
            "HealthCheckTimeoutSeconds": 4,
            "HealthyThresholdCount": 2,
            "UnhealthyThresholdCount": 3,
        }
        self.targets = self.api.create_target_group(
            Name="gcs", Protocol="TCP", Port=GCS, VpcId=self.vpc, **wanted | check
        )["TargetGroups"][0]["TargetGroupArn"]
        self.attribute("deregistration_delay.timeout_seconds", str(delay))
        self.api.create_listener(
            LoadBalancerArn=self.arn,
            Protocol="TCP",
            Port=GCS,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.targets}],
        )

    def attribute(self, key: str, value: str) -> None:
        self.api.modify_target_group_attributes(
            TargetGroupArn=self.targets, Attributes=[{"Key": key, "Value": value}]
        )

    def launch(self, subnet: int = 0) -> str:
        """Launch an instance, and wait until it runs."""
        answer = self.ec2.run_instances(
            ImageId="ami-1", MinCount=1, MaxCount=1, SubnetId=self.subnets[subnet]
        )
        instance_id = str(answer["Instances"][0]["InstanceId"])
        self.clock.advance(10)
        return instance_id

    def leader(self, subnet: int = 0) -> str:
        """Launch an instance whose guard answers that it leads."""
        instance_id = self.launch(subnet)
        self.driver.serve(instance_id, GUARD, "/leader")
        return instance_id

    def register(self, *ids: str) -> None:
        self.api.register_targets(TargetGroupArn=self.targets, Targets=[{"Id": i} for i in ids])

    def deregister(self, *ids: str) -> None:
        self.api.deregister_targets(TargetGroupArn=self.targets, Targets=[{"Id": i} for i in ids])

    def health(self, *ids: str) -> dict[str, dict[str, str]]:
        named = {"Targets": [{"Id": i} for i in ids]} if ids else {}
        found = self.api.describe_target_health(TargetGroupArn=self.targets, **named)
        described = found["TargetHealthDescriptions"]
        return {each["Target"]["Id"]: each["TargetHealth"] for each in described}

    def state(self, instance_id: str) -> str:
        return self.health(instance_id)[instance_id]["State"]

    def described(self) -> dict[str, Any]:
        found = self.api.describe_load_balancers(LoadBalancerArns=[self.arn])
        balancer: dict[str, Any] = found["LoadBalancers"][0]
        return balancer

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses that its name resolves to."""
        backend = elbv2_backends["123456789012"]["us-east-1"]
        found: tuple[str, ...] = backend.load_balancers[self.arn].addresses
        return found

    def servers(self) -> dict[str, str]:
        """Return the state of each target in the data plane."""
        return {s.name: s.state for p in forwarding.plans() for f in p.frontends for s in f.servers}
