"""A small site for the tests of groups and balancers: web servers behind a load balancer."""

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from common.waiting import Seen
from localcloud import nspawn, session
from localcloud.cgroups import Group
from tests.cloud.harness import Cloud, eventually, home, until

NAME = "site"
PUBLIC, INSIDE, CLOSED = 80, 8080, 81
OPERATOR = "10.77.0.1/32"

SERVE = f"python3 -u -m http.server {INSIDE}"

# Early in the boot, so that tests need not wait for the whole of it. Each page names its machine.
USER_DATA = f"""#cloud-config
bootcmd:
  - mkdir -p /srv/web
  - sh -c 'hostname >/srv/web/index.html'
  - systemd-run --no-block --unit=web --working-directory=/srv/web {SERVE}
"""

# Connects, prints that, and prints when the other side has closed.
HOLD = """
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
print("open", flush=True)
connection.settimeout(60)
try:
    print("closed" if connection.recv(1) == b"" else "data", flush=True)
except ConnectionResetError:
    print("closed", flush=True)
"""


class Site:
    """Everything of one site; ``url`` is its stable name."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.aws = cloud, cloud.aws
        self.vpc = self.aws.ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [self._subnet(f"10.77.{n}.0/24", zone) for n, zone in ((16, "a"), (32, "b"))]
        tcp = {"IpProtocol": "tcp", "FromPort": PUBLIC, "ToPort": PUBLIC}
        operator = tcp | {"IpRanges": [{"CidrIp": OPERATOR}]}
        self.balancer_group = cloud.group("site-balancer", operator, vpc=self.vpc)
        inside = {"IpProtocol": "tcp", "FromPort": INSIDE, "ToPort": INSIDE}
        from_balancer = inside | {"UserIdGroupPairs": [{"GroupId": self.balancer_group}]}
        self.group = cloud.group("site-web", from_balancer, vpc=self.vpc)
        self._create_template()
        self._create_balancer()

    def _subnet(self, cidr: str, zone: str) -> str:
        answer = self.aws.ec2.create_subnet(
            VpcId=self.vpc, CidrBlock=cidr, AvailabilityZone=f"us-east-1{zone}"
        )
        return str(answer["Subnet"]["SubnetId"])

    def _create_template(self) -> None:
        self.aws.ec2.create_launch_template(
            LaunchTemplateName=NAME,
            LaunchTemplateData={
                "ImageId": self.cloud.base_image(),
                "InstanceType": "t3.micro",
                "SecurityGroupIds": [self.group],
                "UserData": base64.b64encode(USER_DATA.encode()).decode(),
                "MetadataOptions": {"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
            },
        )

    def _create_balancer(self) -> None:
        elb = self.aws.elbv2
        balancer = elb.create_load_balancer(
            Name=NAME,
            Type="network",
            Scheme="internal",
            Subnets=self.subnets,
            SecurityGroups=[self.balancer_group],
        )["LoadBalancers"][0]
        self.balancer, self.host = balancer["LoadBalancerArn"], str(balancer["DNSName"])
        elb.modify_load_balancer_attributes(
            LoadBalancerArn=self.balancer,
            Attributes=[{"Key": "load_balancing.cross_zone.enabled", "Value": "true"}],
        )
        self.targets = elb.create_target_group(
            Name=NAME,
            Protocol="TCP",
            Port=INSIDE,
            VpcId=self.vpc,
            HealthCheckProtocol="HTTP",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]
        gone = "deregistration_delay"
        elb.modify_target_group_attributes(
            TargetGroupArn=self.targets,
            Attributes=[
                {"Key": f"{gone}.timeout_seconds", "Value": "0"},
                {"Key": f"{gone}.connection_termination.enabled", "Value": "true"},
            ],
        )
        self.listen(PUBLIC)

    def listen(self, port: int) -> None:
        self.aws.elbv2.create_listener(
            LoadBalancerArn=self.balancer,
            Protocol="TCP",
            Port=port,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.targets}],
        )

    def create_group(self, **settings: Any) -> None:
        self.aws.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=NAME,
            MinSize=0,
            MaxSize=2,
            DesiredCapacity=1,
            VPCZoneIdentifier=",".join(self.subnets),
            LaunchTemplate={"LaunchTemplateName": NAME, "Version": "1"},
            TargetGroupARNs=[self.targets],
            **settings,
        )

    def members(self) -> dict[str, str]:
        """Return the lifecycle state of each member."""
        found = self.aws.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[NAME])
        groups = found["AutoScalingGroups"]
        instances = groups[0]["Instances"] if groups else []
        return {instance["InstanceId"]: instance["LifecycleState"] for instance in instances}

    def health(self) -> dict[str, str]:
        """Return the health of each target."""
        found = self.aws.elbv2.describe_target_health(TargetGroupArn=self.targets)
        described = found["TargetHealthDescriptions"]
        return {d["Target"]["Id"]: d["TargetHealth"]["State"] for d in described}

    def healthy(self) -> list[str]:
        """Return the targets that get traffic."""
        return [target for target, state in self.health().items() if state == "healthy"]

    def serving(self, but: str = "") -> str:
        """Wait until one target is healthy, another one than ``but``; return its id."""

        def look() -> Seen[str]:
            health = self.health()
            found = [i for i, state in health.items() if state == "healthy" and i != but]
            return Seen(found[0] if found else None, f"targets {health}, members {self.members()}")

        return str(until("a healthy target", look))

    def page(self) -> str:
        """Return what the site answers at its name; empty when it does not answer."""
        done = self._inside("curl", "--silent", "--max-time", "2", f"http://{self.host}/")
        return done.stdout.strip()

    def page_of(self, instance_id: str) -> str:
        address = self.cloud.describe(instance_id)["PrivateIpAddress"]
        return f"ip-{address.replace('.', '-')}"

    def _inside(self, *command: str) -> "subprocess.CompletedProcess[str]":
        with home(self.cloud.place.home):
            argv = session.operator_command(list(command), inside=True)
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    @contextmanager
    def held_connection(self) -> Iterator["subprocess.Popen[str]"]:
        """An open connection through the balancer; its next line tells when it was closed."""
        with home(self.cloud.place.home):
            command = [sys.executable, "-c", HOLD, self.host, str(PUBLIC)]
            argv = session.operator_command(command, inside=True)
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdout
            assert client.stdout.readline() == "open\n"
            try:
                yield client
            finally:
                client.kill()

    def lose_power(self, instance_id: str) -> None:
        """Kill a machine as a power loss does, without a call to AWS."""
        for pid in Group(self.cloud.place.name, instance_id).processes():
            leader = nspawn.leader_of(pid)
            if leader:
                os.kill(leader, signal.SIGKILL)

    def delete_group(self) -> None:
        """Delete the group, and wait until it and its instances are gone."""
        self.aws.autoscaling.delete_auto_scaling_group(AutoScalingGroupName=NAME, ForceDelete=True)
        described = self.aws.autoscaling.describe_auto_scaling_groups

        def is_gone() -> bool:
            return not described(AutoScalingGroupNames=[NAME])["AutoScalingGroups"]

        eventually("the group's deletion", is_gone)

    def delete(self) -> None:
        """Delete all of it, in the order that AWS needs."""
        elb, ec2 = self.aws.elbv2, self.aws.ec2
        elb.delete_load_balancer(LoadBalancerArn=self.balancer)
        elb.delete_target_group(TargetGroupArn=self.targets)
        ec2.delete_launch_template(LaunchTemplateName=NAME)
        ec2.delete_security_group(GroupId=self.group)
        ec2.delete_security_group(GroupId=self.balancer_group)
        for subnet in self.subnets:
            ec2.delete_subnet(SubnetId=subnet)
        ec2.delete_vpc(VpcId=self.vpc)
