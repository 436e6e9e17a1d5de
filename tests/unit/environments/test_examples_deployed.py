"""The example environments are planned and deployed, each in a simulated account of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.environment import Environment
from deploy.report.briefing import brief
from tests.simulation.cloud import Cloud, simulated_cloud
from tests.unit.environments.examples import NAMES, load_filled
from tests.unit.simulation.conftest import Cluster, see_from_inside

pytestmark = pytest.mark.slow
# moto has no quotas of EC2.
NO_QUOTAS = "the account's vCPU quotas could not be read (NoSuchResourceException)"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """An account with the role of spot, which a person creates once, and with buckets of data."""
    with simulated_cloud() as made:
        see_from_inside(made, monkeypatch)
        made.clients("iam").create_service_linked_role(AWSServiceName="spot.amazonaws.com")
        for bucket in ("training", "results"):
            made.clients("s3").create_bucket(Bucket=bucket)
        yield made


def a_network(cloud: Cloud) -> dict[str, tuple[str, ...]]:
    """Create what an existing VPC has; return the values to fill in."""
    ec2, route53 = cloud.clients("ec2"), cloud.clients("route53")
    vpc = ec2.create_vpc(CidrBlock="10.90.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.90.{i}.0/24", AvailabilityZone=f"us-east-1{z}")
        for i, z in enumerate("ab")
    ]
    ids = tuple(str(subnet["Subnet"]["SubnetId"]) for subnet in subnets)
    route_out(cloud, vpc, ids[0])
    zone = route53.create_hosted_zone(
        Name="ray.example.internal",
        CallerReference="1",
        VPC={"VPCRegion": "us-east-1", "VPCId": vpc},
        HostedZoneConfig={"PrivateZone": True},
    )
    group = ec2.create_security_group(GroupName="known", Description="known", VpcId=vpc)
    nfs = {"IpProtocol": "tcp", "FromPort": 2049, "ToPort": 2049}
    rule = nfs | {"IpRanges": [{"CidrIp": "10.90.0.0/16"}]}
    ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[rule])
    efs = cloud.clients("efs")
    file_system = efs.create_file_system(CreationToken="shared")["FileSystemId"]
    for subnet in ids:
        efs.create_mount_target(
            FileSystemId=file_system, SubnetId=subnet, SecurityGroups=[group["GroupId"]]
        )
    return {
        "vpc-": (vpc,),
        "subnet-": (*ids, ids[0]),
        "sg-": (group["GroupId"],),
        "fs-": (file_system,),
        "its id, Z": (zone["HostedZone"]["Id"].removeprefix("/hostedzone/"),),
    }


def route_out(cloud: Cloud, vpc: str, subnet: str) -> None:
    """Lead the VPC's main route table to a NAT gateway."""
    ec2 = cloud.clients("ec2")
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    gateway = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]
    (table,) = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])[
        "RouteTables"
    ]
    ec2.create_route(
        RouteTableId=table["RouteTableId"],
        DestinationCidrBlock="0.0.0.0/0",
        NatGatewayId=gateway["NatGatewayId"],
    )


def bake(cloud: Cloud, environment: Environment) -> None:
    """Bake every image that the environment needs."""
    for role, name in environment.wanted_images:
        architecture = environment.image_named(name).architecture
        cloud.bake(role, name, architecture=architecture)


def prepared(cloud: Cloud, name: str, folder: Path) -> Cluster:
    """Return the cluster that a filled-in copy of an example asks for, its images baked."""
    values = a_network(cloud) if name == "existing-vpc" else {}
    environment = load_filled(name, folder, values)
    bake(cloud, environment)
    return Cluster(cloud, environment)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_planned_with_a_known_cost_and_deployed(
    name: str, cloud: Cloud, tmp_path: Path
) -> None:
    cluster = prepared(cloud, name, tmp_path)

    plan = cluster.prepare()
    cost = brief(plan).cost

    assert plan.rollout.plan.strategy == "initial"
    assert [finding.words for finding in plan.findings] == [NO_QUOTAS]
    assert [line for line in cost if "unknown" in line] == []
    groups = {line.partition(",")[0].removeprefix("group ") for line in cost[1:]}
    assert groups == set(cluster.environment.workers)
    cluster.deploy()
    assert cluster.failed_checks() == []
    assert cluster.prepare().rollout.plan.is_empty


def test_the_smallest_costs_the_least(cloud: Cloud, tmp_path: Path) -> None:
    cost = brief(prepared(cloud, "smallest", tmp_path).prepare()).cost

    head, most = (line.partition(" (")[0] for line in cost)
    assert (head, most) == ("head: +$32 a month", "group spot, maximum: up to $125 a month")
