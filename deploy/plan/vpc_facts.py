"""What an existing VPC has: subnets, DNS, routes and endpoints. Reads AWS (EC2) only."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.environment import Environment
from node.contract import ENVIRONMENT_TAG

INTERFACE, GATEWAY = "Interface", "Gateway"
TARGETS = (
    *("NatGatewayId", "TransitGatewayId", "VpcPeeringConnectionId", "NetworkInterfaceId"),
    *("InstanceId", "LocalGatewayId", "CoreNetworkArn", "GatewayId"),
)
# AWS's resolver in DHCP options: by its name, and by its addresses in every VPC. It also answers at
# the base of a VPC's primary range, plus two. Security groups do not filter what it is asked:
# https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html
# https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html
AWS_DNS = ("AmazonProvidedDNS", "169.254.169.253", "fd00:ec2::253")
ABSENT = {"InvalidVpcID.NotFound", "InvalidSubnetID.NotFound", "InvalidRouteTableID.NotFound"}


@dataclass(frozen=True)
class Subnet:
    """A subnet that is to be used, with its route table."""

    id: str
    vpc_id: str
    zone: str
    free_addresses: int
    table: str
    # Ways out of the VPC: targets of the default route that work without a public address.
    ways_out: tuple[str, ...]
    # What the default route leads to, if that does not lead anywhere from here.
    dead_end: str


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of a service, not one that this environment's stack has created."""

    id: str
    service: str  # as in Network.endpoints: ssm
    kind: str
    private_dns: bool
    subnet_ids: tuple[str, ...]
    route_table_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]
    is_ours: bool


@dataclass(frozen=True)
class VpcFacts:
    """An existing VPC as EC2 describes it."""

    id: str
    dns_support: bool
    dns_hostnames: bool
    asks_aws_dns: bool
    # Resolvers that are not AWS's.
    dns_servers: tuple[str, ...]
    subnets: tuple[Subnet, ...]
    endpoints: tuple[Endpoint, ...]


def vpc_facts(clients: Clients, environment: Environment) -> VpcFacts | str:
    """Return the facts of the VPC that the environment names, or what of it is not there.

    Raises PipelineError when AWS cannot be asked.
    """
    network = environment.network
    ec2 = clients("ec2")
    with translated(f"inspecting {network.vpc_id}"):
        try:
            vpc = ec2.describe_vpcs(VpcIds=[network.vpc_id])["Vpcs"][0]
            subnets = ec2.describe_subnets(SubnetIds=list(network.private_subnet_ids))["Subnets"]
            if network.route_table_ids:
                ec2.describe_route_tables(RouteTableIds=list(network.route_table_ids))
        except ClientError as error:
            if error_code(error) not in ABSENT:
                raise
            return str(error.response["Error"].get("Message", error_code(error)))
        tables = _paged(ec2, "describe_route_tables", "RouteTables", network.vpc_id)
        endpoints = _paged(ec2, "describe_vpc_endpoints", "VpcEndpoints", network.vpc_id)
        support = _attribute(ec2, network.vpc_id, "enableDnsSupport")
        hostnames = _attribute(ec2, network.vpc_id, "enableDnsHostnames")
        servers, of_aws = _dns_servers(ec2, vpc.get("DhcpOptionsId", "default")), _aws_dns(vpc)
        return VpcFacts(
            id=network.vpc_id,
            dns_support=support,
            dns_hostnames=hostnames,
            asks_aws_dns=not of_aws.isdisjoint(servers),
            dns_servers=tuple(server for server in servers if server not in of_aws),
            subnets=tuple(_subnet(found, tables) for found in subnets),
            endpoints=tuple(_endpoint(found, environment) for found in endpoints),
        )


def _paged(ec2: Any, call: str, key: str, vpc_id: str) -> list[dict[str, Any]]:
    filters = [{"Name": "vpc-id", "Values": [vpc_id]}]
    pages = ec2.get_paginator(call).paginate(Filters=filters)
    return [found for page in pages for found in page[key]]


def _attribute(ec2: Any, vpc_id: str, name: str) -> bool:
    answer = ec2.describe_vpc_attribute(VpcId=vpc_id, Attribute=name)
    return bool(answer[name[0].upper() + name[1:]]["Value"])


def _aws_dns(vpc: Mapping[str, Any]) -> frozenset[str]:
    return frozenset((*AWS_DNS, str(IPv4Network(vpc["CidrBlock"])[2])))


def _dns_servers(ec2: Any, options_id: str) -> list[str]:
    """Return the resolvers that instances are given.

    https://docs.aws.amazon.com/vpc/latest/userguide/VPC_DHCP_Options.html
    """
    if options_id == "default":
        return [AWS_DNS[0]]
    (options,) = ec2.describe_dhcp_options(DhcpOptionsIds=[options_id])["DhcpOptions"]
    return [
        value["Value"]
        for entry in options["DhcpConfigurations"]
        if entry["Key"] == "domain-name-servers"
        for value in entry["Values"]
    ]


def _subnet(found: Mapping[str, Any], tables: list[dict[str, Any]]) -> Subnet:
    table = _table_of(found["SubnetId"], tables)
    defaults = [r for r in table.get("Routes", []) if r.get("DestinationCidrBlock") == "0.0.0.0/0"]
    leads = [_target(route) for route in defaults]
    # An internet gateway serves public addresses alone, and nodes have none:
    # https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Internet_Gateway.html
    out = [name for name in leads if not name.startswith("igw-") and name != "a blackhole"]
    return Subnet(
        id=found["SubnetId"],
        vpc_id=found["VpcId"],
        zone=found["AvailabilityZone"],
        free_addresses=int(found["AvailableIpAddressCount"]),
        table=str(table.get("RouteTableId", "")),
        ways_out=tuple(out),
        dead_end=next(iter(leads), "") if not out else "",
    )


def _table_of(subnet_id: str, tables: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the subnet's own route table, or the VPC's main one.

    https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html
    """
    main: dict[str, Any] = {}
    for table in tables:
        for association in table.get("Associations", []):
            if association.get("SubnetId") == subnet_id:
                return table
            if association.get("Main"):
                main = table
    return main


def _target(route: Mapping[str, Any]) -> str:
    if route.get("State") == "blackhole":
        return "a blackhole"
    return next((str(route[name]) for name in TARGETS if route.get(name)), "somewhere")


def _endpoint(found: Mapping[str, Any], environment: Environment) -> Endpoint:
    tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
    kind = found.get("VpcEndpointType", GATEWAY)
    groups = tuple(group["GroupId"] for group in found.get("Groups", []))
    return Endpoint(
        id=found["VpcEndpointId"],
        service=str(found["ServiceName"]).rpartition(".")[2],
        kind=kind,
        private_dns=kind == INTERFACE and bool(found.get("PrivateDnsEnabled")),
        subnet_ids=tuple(found.get("SubnetIds", [])),
        route_table_ids=tuple(found.get("RouteTableIds", [])),
        security_group_ids=groups,
        is_ours=tags.get(ENVIRONMENT_TAG) == environment.name,
    )
