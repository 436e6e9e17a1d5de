"""An existing VPC is inspected before anything is created in it.

Each rule's page is in deploy/plan/vpc_preflight.py; the local cloud refuses the same things, as
tests/unit/localcloud/test_endpoints.py shows.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import boto3
import pytest

from common.clients import Clients
from common.errors import Refused
from deploy.plan.finding import Finding
from deploy.plan.vpc_preflight import vpc_findings
from localcloud.world import World
from tests.unit.deploy.builders import a_foundation, an_environment
from tests.unit.deploy.plan.findings import marked
from tests.unit.localcloud.endpoints import serve

ALL = ["autoscaling", "ec2", "logs", "monitoring", "ssm", "ssmmessages"]
REGION = "us-east-1"


@dataclass
class Vpc:
    """A VPC of another team: two private subnets with one route table, and a way out."""

    id: str = ""
    subnets: list[str] = field(default_factory=list)
    table: str = ""
    ec2: Any = field(default_factory=lambda: boto3.client("ec2", region_name=REGION))

    def make(self) -> "Vpc":
        self.id = self.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        self.attribute("EnableDnsHostnames", True)
        self.table = self.ec2.create_route_table(VpcId=self.id)["RouteTable"]["RouteTableId"]
        for number, zone in enumerate("ab"):
            self.subnet(number, zone)
        return self

    def attribute(self, name: str, value: bool) -> None:
        self.ec2.modify_vpc_attribute(VpcId=self.id, **{name: {"Value": value}})

    def subnet(self, number: int, zone: str) -> str:
        made = self.ec2.create_subnet(
            VpcId=self.id, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=f"{REGION}{zone}"
        )["Subnet"]["SubnetId"]
        self.ec2.associate_route_table(SubnetId=made, RouteTableId=self.table)
        self.subnets.append(made)
        return str(made)

    def route_out(self) -> str:
        """Lead 0.0.0.0/0 to a NAT gateway, as most private subnets have it."""
        address = self.ec2.allocate_address(Domain="vpc")["AllocationId"]
        made = self.ec2.create_nat_gateway(SubnetId=self.subnets[0], AllocationId=address)
        gateway = made["NatGateway"]["NatGatewayId"]
        self.default_route(NatGatewayId=gateway)
        return str(gateway)

    def default_route(self, **target: str) -> None:
        self.ec2.create_route(RouteTableId=self.table, DestinationCidrBlock="0.0.0.0/0", **target)

    def endpoint(self, service: str, group: str = "", tags: dict[str, str] | None = None) -> str:
        """Create an endpoint of another team's."""
        name, pairs = f"com.amazonaws.{REGION}.{service}", tags or {"team": "theirs"}
        settings: dict[str, Any] = {"VpcEndpointType": "Gateway", "RouteTableIds": [self.table]}
        if service not in ("s3", "dynamodb"):
            settings = {
                "VpcEndpointType": "Interface",
                "PrivateDnsEnabled": True,
                "SubnetIds": self.subnets[:1],
                "SecurityGroupIds": [group or self.open_group()],
            }
        specification = {
            "ResourceType": "vpc-endpoint",
            "Tags": [{"Key": key, "Value": value} for key, value in pairs.items()],
        }
        made = self.ec2.create_vpc_endpoint(
            VpcId=self.id, ServiceName=name, TagSpecifications=[specification], **settings
        )
        return str(made["VpcEndpoint"]["VpcEndpointId"])

    def group(self, name: str = "endpoints") -> str:
        made = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.id)
        return str(made["GroupId"])

    def open_group(self) -> str:
        group = self.group(f"open {len(self.ec2.describe_security_groups()['SecurityGroups'])}")
        rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
        allowed = [rule | {"IpRanges": [{"CidrIp": "10.9.0.0/16"}]}]
        self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=allowed)
        return group

    def use_dns_servers(self, *servers: str) -> None:
        options = self.ec2.create_dhcp_options(
            DhcpConfigurations=[{"Key": "domain-name-servers", "Values": list(servers)}]
        )["DhcpOptions"]["DhcpOptionsId"]
        self.ec2.associate_dhcp_options(DhcpOptionsId=options, VpcId=self.id)


@pytest.fixture
def vpc(world: World) -> Vpc:
    return Vpc().make()


def findings(vpc: Vpc, *, nodes: Any = None, **network: Any) -> list[str]:
    return marked(all_findings(vpc, nodes=nodes, **network))


def all_findings(vpc: Vpc, *, nodes: Any = None, **network: Any) -> tuple[Finding, ...]:
    given = {
        "operator_cidrs": ["10.0.0.0/8"],
        "vpc_id": vpc.id,
        "private_subnet_ids": vpc.subnets,
    }
    environment = an_environment(network=given | network, nodes=nodes or {})
    return vpc_findings(Clients(REGION), environment, None)


def test_a_vpc_that_has_what_is_needed_is_used(vpc: Vpc) -> None:
    vpc.route_out()

    assert findings(vpc) == []


def test_a_vpc_of_our_own_is_not_asked_about() -> None:
    clients = Clients(REGION)

    assert vpc_findings(clients, an_environment(), None) == ()
    assert clients.calls == 0


def test_two_subnets_of_one_zone_are_refused(vpc: Vpc) -> None:
    vpc.route_out()
    third = vpc.subnet(7, "a")

    assert findings(vpc) == [
        f"!network.private_subnet_ids: {vpc.subnets[0]}, {third} are all in us-east-1a, and a load "
        "balancer takes one subnet of each zone"
        " → keep one of them, and name subnets of other zones"
    ]


def test_subnets_of_one_zone_alone_are_named(vpc: Vpc) -> None:
    vpc.route_out()

    assert findings(vpc, private_subnet_ids=vpc.subnets[:1]) == [
        "network.private_subnet_ids: all of the cluster is in us-east-1a"
        " → name a subnet of another zone too: heads fail over to it"
    ]


def test_a_subnet_of_another_vpc_is_refused(vpc: Vpc) -> None:
    vpc.route_out()
    other = Vpc().make()
    other.route_out()

    (found,) = findings(vpc, private_subnet_ids=[vpc.subnets[0], other.subnets[1]])

    assert found == (
        f"!network.private_subnet_ids: {other.subnets[1]} is in {other.id}, not {vpc.id}"
        " → name subnets of network.vpc_id"
    )


def test_a_subnet_that_is_not_there_is_refused_by_its_id(vpc: Vpc) -> None:
    with pytest.raises(Refused, match="subnet-01234567") as refused:
        findings(vpc, private_subnet_ids=["subnet-01234567"])

    assert refused.value.hint == (
        "correct its name or id in the environment's file, or create it; is the region right?"
    )


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("EnableDnsSupport", "enable-dns-support"),
        ("EnableDnsHostnames", "enable-dns-hostnames"),
    ],
)
def test_dns_attributes_that_are_off_are_refused(vpc: Vpc, name: str, option: str) -> None:
    vpc.route_out()
    vpc.attribute(name, False)

    assert findings(vpc) == [
        f"!network.vpc_id: e{name[1:]} of {vpc.id} is off, so no private name resolves"
        f" → aws ec2 modify-vpc-attribute --vpc-id {vpc.id} --{option}"
    ]


def test_dns_servers_that_nodes_may_not_reach_are_refused(vpc: Vpc) -> None:
    vpc.route_out()
    vpc.use_dns_servers("10.1.0.2", "10.1.0.3")
    one = {"egress": ["udp/53 to 10.1.0.2/32"]}
    both = {"egress": ["udp/53 to 10.1.0.0/24"]}

    assert findings(vpc) == [
        f"!network.vpc_id: {vpc.id} has its own DNS servers, 10.1.0.2, 10.1.0.3, and nodes may not "
        "reach them"
        ' → [nodes] egress = ["udp/53 to 10.1.0.2/32", "tcp/53 to 10.1.0.2/32", "udp/53 '
        'to 10.1.0.3/32", "tcp/53 to 10.1.0.3/32"]; they must forward the private zone '
        "to Route 53"
    ]
    assert findings(vpc, nodes=one) == [
        f"!network.vpc_id: {vpc.id} has its own DNS servers, 10.1.0.3, and nodes may not reach them"
        ' → [nodes] egress = ["udp/53 to 10.1.0.3/32", "tcp/53 to 10.1.0.3/32"]; they '
        "must forward the private zone to Route 53"
    ]
    assert findings(vpc, nodes=both) == []


@pytest.mark.parametrize("name", ["AmazonProvidedDNS", "169.254.169.253", "10.9.0.2"])
def test_aws_s_own_dns_needs_no_egress(vpc: Vpc, name: str) -> None:
    vpc.route_out()
    vpc.use_dns_servers(name)

    assert findings(vpc) == []


@pytest.mark.parametrize(
    ("servers", "mark"),
    [(["fd00::1"], "!"), (["fd00::1", "10.1.0.2"], ""), (["AmazonProvidedDNS", "fd00::1"], "")],
)
def test_a_dns_server_of_ipv6_is_named_and_fatal_where_there_is_no_other(
    vpc: Vpc, servers: list[str], mark: str
) -> None:
    vpc.route_out()
    vpc.use_dns_servers(*servers)

    assert findings(vpc, nodes={"egress": ["udp/53 to 10.1.0.0/24"]}) == [
        f"{mark}network.vpc_id: {vpc.id} has DNS servers that nodes cannot ask, since they use "
        "IPv4 alone: fd00::1"
        " → have an IPv4 server, or AmazonProvidedDNS, in the VPC's DHCP options"
    ]


def test_services_that_no_route_and_no_endpoint_leads_to_are_named(vpc: Vpc) -> None:
    first, second = vpc.subnets
    vpc.endpoint("s3")
    for service in ALL[1:]:
        vpc.endpoint(service)

    assert findings(vpc) == [
        f"!network.private_subnet_ids: from {first}, {second} nodes cannot reach autoscaling, "
        "dynamodb"
        " → route 0.0.0.0/0 to a NAT gateway or a transit gateway, or name them in "
        "network.endpoints (s3 and dynamodb with network.route_table_ids)"
    ]


def test_endpoints_that_are_to_be_created_count(vpc: Vpc) -> None:
    wanted = {"endpoints": [*ALL, "s3", "dynamodb"], "route_table_ids": [vpc.table]}

    assert findings(vpc, **wanted) == []


def test_a_route_to_an_internet_gateway_leads_nowhere_without_a_public_address(vpc: Vpc) -> None:
    gateway = vpc.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    vpc.ec2.attach_internet_gateway(VpcId=vpc.id, InternetGatewayId=gateway)
    vpc.default_route(GatewayId=gateway)

    (found,) = findings(vpc)

    assert f"{vpc.subnets[0]} (its default route leads to {gateway})" in found


def test_an_endpoint_that_exists_is_not_created_again(vpc: Vpc) -> None:
    vpc.route_out()
    ssm, s3 = vpc.endpoint("ssm"), vpc.endpoint("s3")
    wanted = {"endpoints": ["ssm", "logs", "s3"], "route_table_ids": [vpc.table]}

    assert findings(vpc, **wanted) == [
        f"!network.endpoints: {ssm} in {vpc.id} is an endpoint for ssm"
        " → remove ssm from network.endpoints: nodes use that one",
        f"!network.endpoints: {s3} in {vpc.id} is an endpoint for s3"
        " → remove s3 from network.endpoints: nodes use that one",
    ]


def test_an_endpoint_of_this_environment_is_no_conflict(vpc: Vpc) -> None:
    vpc.route_out()
    vpc.endpoint("ssm", tags={"raykiln:environment": "dev"})

    assert findings(vpc, endpoints=["ssm"]) == []


def test_an_endpoint_that_admits_no_range_is_named(vpc: Vpc) -> None:
    vpc.route_out()
    group = vpc.group("shut")
    endpoint = vpc.endpoint("ssm", group)

    assert findings(vpc) == [
        f"network.vpc_id: {endpoint}, the endpoint for ssm, admits no range of addresses on port "
        f"443 ({group})"
        f" → admit the VPC's ranges in {group}, or give nodes a group that it admits: "
        "[nodes] security_group_ids"
    ]


@pytest.mark.parametrize(
    ("rule", "admits"),
    [
        ({"IpProtocol": "-1"}, True),
        ({"IpProtocol": "tcp", "FromPort": 0, "ToPort": 443}, True),
        ({"IpProtocol": "tcp", "FromPort": 443, "ToPort": 65535}, True),
        ({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 442}, False),
        ({"IpProtocol": "tcp", "FromPort": 444, "ToPort": 9000}, False),
    ],
)
def test_an_endpoint_must_admit_a_range_on_443(
    vpc: Vpc, rule: dict[str, Any], admits: bool
) -> None:
    vpc.route_out()
    group = vpc.group("half open")
    allowed = [rule | {"IpRanges": [{"CidrIp": "10.9.0.0/16"}]}]
    vpc.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=allowed)
    vpc.endpoint("ssm", group)

    assert (findings(vpc) == []) is admits


def test_an_endpoint_that_admits_a_group_alone_is_named(vpc: Vpc) -> None:
    vpc.route_out()
    group = vpc.group("theirs")
    pairs = [{"GroupId": vpc.group("their nodes")}]
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": pairs}
    vpc.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    vpc.endpoint("ssm", group)

    assert len(findings(vpc)) == 1


def test_a_zone_without_the_service_of_an_endpoint_is_refused(
    vpc: Vpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    vpc.route_out()
    zones = {"ssm": frozenset({"us-east-1a"})}
    monkeypatch.setattr("deploy.plan.vpc_preflight.endpoint_zones", lambda *_: zones)

    assert findings(vpc, endpoints=["ssm"]) == [
        f"!network.endpoints: ssm has no endpoints in the zone of {vpc.subnets[1]}"
        " → name subnets of us-east-1a, or reach ssm by a NAT gateway"
    ]


def test_a_service_that_the_region_lacks_is_to_be_reached_by_a_nat_gateway(
    vpc: Vpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    vpc.route_out()
    serve(monkeypatch, "ssm")

    (finding,) = all_findings(vpc, endpoints=["ssm"])

    assert finding.fatal
    assert finding.words == (
        f"network.endpoints: ssm has no endpoints in the zone of {', '.join(vpc.subnets)}"
    )
    assert finding.hint == "reach ssm by a NAT gateway"


def a_private_zone(vpc: Vpc, name: str = "ray.internal") -> str:
    made = boto3.client("route53").create_hosted_zone(
        Name=name,
        CallerReference=name,
        HostedZoneConfig={"PrivateZone": True, "Comment": ""},
        VPC={"VPCRegion": REGION, "VPCId": vpc.id},
    )
    return str(made["HostedZone"]["Id"]).rpartition("/")[2]


def test_the_zone_of_another_environment_in_the_vpc_is_refused_with_its_id(vpc: Vpc) -> None:
    vpc.route_out()
    zone = a_private_zone(vpc)

    assert findings(vpc) == [
        f"!dns.zone: {vpc.id} has a private zone ray.internal already, {zone}"
        f' → use it, with zone_id = "{zone}", or choose another zone'
    ]


def test_a_zone_is_found_behind_a_hundred_others(vpc: Vpc) -> None:
    vpc.route_out()
    for number in range(100):
        a_private_zone(vpc, f"{number}.internal")
    zone = a_private_zone(vpc)

    (finding,) = findings(vpc)
    assert finding.startswith(
        f"!dns.zone: {vpc.id} has a private zone ray.internal already, {zone}"
    )


def test_the_zone_of_this_environment_is_its_own(vpc: Vpc) -> None:
    vpc.route_out()
    zone = a_private_zone(vpc)
    network = {"operator_cidrs": ["10.0.0.0/8"], "vpc_id": vpc.id}
    environment = an_environment(network=network | {"private_subnet_ids": vpc.subnets})
    clients = Clients(REGION)

    ours = replace(a_foundation(), zone_id=zone)
    other = replace(a_foundation(), zone_id="Z999")

    assert vpc_findings(clients, environment, ours) == ()
    assert len(vpc_findings(clients, environment, other)) == 1


def test_a_subnet_without_room_for_a_load_balancer_is_refused(vpc: Vpc) -> None:
    vpc.route_out()
    made = vpc.ec2.create_subnet(
        VpcId=vpc.id, CidrBlock="10.9.200.0/28", AvailabilityZone="us-east-1c"
    )["Subnet"]["SubnetId"]
    vpc.ec2.associate_route_table(SubnetId=made, RouteTableId=vpc.table)
    for number in range(4, 9):
        vpc.ec2.create_network_interface(SubnetId=made, PrivateIpAddress=f"10.9.200.{number}")

    assert findings(vpc, private_subnet_ids=[*vpc.subnets, made]) == [
        f"!network.private_subnet_ids: {made} has 6 free addresses, and the load balancer needs 8"
        " → name a larger subnet"
    ]

    subnets = {"private_subnet_ids": [*vpc.subnets, made]}
    network = {"operator_cidrs": ["10.0.0.0/8"], "vpc_id": vpc.id, **subnets}
    # A load balancer that exists has its addresses.
    assert vpc_findings(Clients(REGION), an_environment(network=network), a_foundation()) == ()
