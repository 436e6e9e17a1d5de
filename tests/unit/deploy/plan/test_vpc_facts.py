"""An existing VPC as EC2 describes it, whole."""

from typing import Any

import pytest

from common.errors import PipelineError
from deploy.plan.vpc_facts import Endpoint, Subnet, VpcFacts, vpc_facts
from tests.unit.answers import Answers, refused
from tests.unit.deploy.builders import an_environment

VPC, FIRST, SECOND = "vpc-0a1b2c3d4e5f60718", "subnet-0a1b2c3d", "subnet-1a1b2c3d"
NETWORK = {
    "operator_cidrs": ["10.0.0.0/8"],
    "vpc_id": VPC,
    "private_subnet_ids": [FIRST, SECOND],
    "endpoints": ["s3"],
    "route_table_ids": ["rtb-01234567"],
}
ENVIRONMENT = an_environment(network=NETWORK)


def subnet(name: str, zone: str) -> dict[str, Any]:
    return {
        "SubnetId": name,
        "VpcId": VPC,
        "AvailabilityZone": zone,
        "AvailableIpAddressCount": 250,
    }


def table(name: str, association: dict[str, Any], *routes: dict[str, str]) -> dict[str, Any]:
    return {"RouteTableId": name, "Associations": [association], "Routes": list(routes)}


def default(**target: str) -> dict[str, str]:
    return {"DestinationCidrBlock": "0.0.0.0/0", **target}


LOCAL = {"DestinationCidrBlock": "10.9.0.0/16", "GatewayId": "local"}
MAIN = table("rtb-main", {"Main": True}, LOCAL, default(GatewayId="igw-1"))
OWN = table("rtb-own", {"SubnetId": FIRST}, LOCAL, default(NatGatewayId="nat-1"))


def aws(tables: tuple[dict[str, Any], ...], **answers: Any) -> Any:
    given: dict[str, Any] = {
        "describe_vpcs": {"Vpcs": [{"CidrBlock": "10.9.0.0/16", "DhcpOptionsId": "dopt-1"}]},
        "describe_subnets": {
            "Subnets": [subnet(FIRST, "us-east-1a"), subnet(SECOND, "us-east-1b")]
        },
        "describe_route_tables": [
            {"RouteTables": []},
            tuple({"RouteTables": [one]} for one in tables),
        ],
        "describe_vpc_endpoints": {"VpcEndpoints": []},
        "describe_vpc_attribute": [
            {"EnableDnsSupport": {"Value": True}},
            {"EnableDnsHostnames": {"Value": False}},
        ],
        "describe_dhcp_options": {
            "DhcpOptions": [
                {
                    "DhcpConfigurations": [
                        {"Key": "domain-name", "Values": [{"Value": "example.com"}]},
                        {
                            "Key": "domain-name-servers",
                            "Values": [{"Value": "AmazonProvidedDNS"}, {"Value": "10.1.0.2"}],
                        },
                    ]
                }
            ]
        },
    }
    return Answers(**given | answers)


def test_a_vpc_is_read_with_its_subnets_their_ways_out_and_its_endpoints() -> None:
    endpoints = [
        {
            "VpcEndpointId": "vpce-1",
            "ServiceName": "com.amazonaws.us-east-1.ssm",
            "VpcEndpointType": "Interface",
            "PrivateDnsEnabled": True,
            "SubnetIds": [FIRST],
            "Groups": [{"GroupId": "sg-1"}],
            "Tags": [{"Key": "raykiln:environment", "Value": "dev"}],
        },
        {
            "VpcEndpointId": "vpce-2",
            "ServiceName": "com.amazonaws.us-east-1.s3",
            "VpcEndpointType": "Gateway",
            "PrivateDnsEnabled": True,
            "RouteTableIds": ["rtb-own"],
        },
    ]
    clients = aws((MAIN, OWN), describe_vpc_endpoints={"VpcEndpoints": endpoints})

    assert vpc_facts(clients, ENVIRONMENT) == VpcFacts(
        id=VPC,
        dns_support=True,
        dns_hostnames=False,
        asks_aws_dns=True,
        dns_servers=("10.1.0.2",),
        subnets=(
            Subnet(FIRST, VPC, "us-east-1a", 250, "rtb-own", ("nat-1",), dead_end=""),
            Subnet(SECOND, VPC, "us-east-1b", 250, "rtb-main", (), dead_end="igw-1"),
        ),
        endpoints=(
            Endpoint("vpce-1", "ssm", "Interface", True, (FIRST,), (), ("sg-1",), is_ours=True),
            Endpoint("vpce-2", "s3", "Gateway", False, (), ("rtb-own",), (), is_ours=False),
        ),
    )
    in_the_vpc = {"Filters": [{"Name": "vpc-id", "Values": [VPC]}]}
    assert clients.requests == [
        ("ec2:describe_vpcs", {"VpcIds": [VPC]}),
        ("ec2:describe_subnets", {"SubnetIds": [FIRST, SECOND]}),
        ("ec2:describe_route_tables", {"RouteTableIds": ["rtb-01234567"]}),
        ("ec2:describe_route_tables", in_the_vpc),
        ("ec2:describe_vpc_endpoints", in_the_vpc),
        ("ec2:describe_vpc_attribute", {"VpcId": VPC, "Attribute": "enableDnsSupport"}),
        ("ec2:describe_vpc_attribute", {"VpcId": VPC, "Attribute": "enableDnsHostnames"}),
        ("ec2:describe_dhcp_options", {"DhcpOptionsIds": ["dopt-1"]}),
    ]


@pytest.mark.parametrize(
    ("route", "ways_out", "dead_end"),
    [
        (default(NatGatewayId="nat-1", State="blackhole"), (), "a blackhole"),
        (default(NatGatewayId="nat-1", State="active"), ("nat-1",), ""),
        (default(TransitGatewayId="tgw-1"), ("tgw-1",), ""),
        (default(CarrierGatewayId="cagw-1"), ("somewhere",), ""),
        (LOCAL, (), ""),
    ],
)
def test_a_default_route_leads_out_unless_it_leads_nowhere(
    route: dict[str, str], ways_out: tuple[str, ...], dead_end: str
) -> None:
    found = vpc_facts(aws((table("rtb-main", {"Main": True}, route),)), ENVIRONMENT)

    assert isinstance(found, VpcFacts)
    assert [(one.ways_out, one.dead_end) for one in found.subnets] == [(ways_out, dead_end)] * 2


def test_a_vpc_without_options_of_its_own_has_aws_s_dns() -> None:
    for vpc in ({}, {"DhcpOptionsId": "default"}):
        described = {"Vpcs": [{"CidrBlock": "10.9.0.0/16"} | vpc]}
        clients = aws((MAIN,), describe_vpcs=described, describe_dhcp_options=None)
        found = vpc_facts(clients, ENVIRONMENT)
        assert isinstance(found, VpcFacts)
        assert (found.dns_servers, found.asks_aws_dns) == ((), True)


@pytest.mark.parametrize(
    ("servers", "others", "asks_aws"),
    [
        (["169.254.169.253"], (), True),
        (["fd00:ec2::253"], (), True),
        (["10.9.0.2", "10.9.0.3"], ("10.9.0.3",), True),
        (["10.1.0.2"], ("10.1.0.2",), False),
    ],
)
def test_aws_s_dns_is_known_by_its_addresses(
    servers: list[str], others: tuple[str, ...], asks_aws: bool
) -> None:
    values = [{"Value": server} for server in servers]
    entry = {"Key": "domain-name-servers", "Values": values}
    options = {"DhcpOptions": [{"DhcpConfigurations": [entry]}]}

    found = vpc_facts(aws((MAIN,), describe_dhcp_options=options), ENVIRONMENT)

    assert isinstance(found, VpcFacts)
    assert (found.dns_servers, found.asks_aws_dns) == (others, asks_aws)


def test_what_is_not_there_is_named_in_aws_s_words() -> None:
    gone = refused("InvalidSubnetID.NotFound", "The subnet ID 'subnet-0a1b2c3d' does not exist")

    found = vpc_facts(aws((), describe_subnets=gone), ENVIRONMENT)

    assert found == "The subnet ID 'subnet-0a1b2c3d' does not exist"
    with pytest.raises(PipelineError, match=f"^inspecting {VPC}"):
        vpc_facts(aws((), describe_vpcs=refused("Throttling")), ENVIRONMENT)
