"""Find what an existing VPC lacks, before anything is created in it. Pure, but for what it asks
vpc_facts for.

Nodes have no public address, reach what is outside of their cluster by HTTPS alone, and resolve
names in a private zone.
"""

from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Address, ip_address

from common.clients import Clients
from common.environment import Environment
from common.error_hints import ABSENT
from common.errors import Refused
from common.network import GATEWAYS, INTERFACES
from common.nodes import EgressRule
from deploy.foundation.stack import Foundation
from deploy.foundation.zones import endpoint_zones
from deploy.plan.admission import shut_endpoints
from deploy.plan.finding import Finding
from deploy.plan.private_zone import zone_findings
from deploy.plan.vpc_facts import Endpoint, VpcFacts, vpc_facts

# Free addresses that a load balancer needs in each of its subnets:
# docs.aws.amazon.com/elasticloadbalancing/latest/network/network-load-balancers.html
BALANCER_ADDRESSES = 8
DNS_PORT = 53


def vpc_findings(
    clients: Clients, environment: Environment, foundation: Foundation | None
) -> tuple[Finding, ...]:
    """Return what would fail in the existing VPC; nothing, and no call, in one of our own.

    Raises Refused when it, or something in it that is named, is not there.
    """
    if not environment.network.vpc_id:
        return ()
    facts = vpc_facts(clients, environment)
    if isinstance(facts, str):
        raise Refused(f"{environment.name}: network: {facts}", hint=ABSENT)
    return (
        *_dns(environment, facts),
        *_subnets(environment, facts, foundation),
        *_conflicts(environment, facts),
        *_services(environment, facts),
        *_service_zones(clients, environment, facts),
        *shut_endpoints(clients, facts),
        *zone_findings(clients, environment, foundation),
    )


def _dns(environment: Environment, facts: VpcFacts) -> Iterator[Finding]:
    """Private zones, and the private names of endpoints, need both attributes.

    https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html
    """
    attributes = {"enableDnsSupport": facts.dns_support, "enableDnsHostnames": facts.dns_hostnames}
    for name, is_on in attributes.items():
        if not is_on:
            yield Finding(
                f"network.vpc_id: {name} of {facts.id} is off, so no private name resolves",
                f"aws ec2 modify-vpc-attribute --vpc-id {facts.id} --{_dashed(name)}",
                fatal=True,
            )
    ipv4 = [server for server in facts.dns_servers if ip_address(server).version == 4]
    if closed := [server for server in ipv4 if not _may_ask(environment, server)]:
        rules = ", ".join(f'"{p}/{DNS_PORT} to {s}/32"' for s in closed for p in ("udp", "tcp"))
        yield Finding(
            f"network.vpc_id: {facts.id} has its own DNS servers, {', '.join(closed)}, and nodes "
            "may not reach them",
            f"[nodes] egress = [{rules}]; they must forward the private zone to Route 53",
            fatal=True,
        )
    if ipv6 := [server for server in facts.dns_servers if server not in ipv4]:
        yield Finding(
            f"network.vpc_id: {facts.id} has DNS servers that nodes cannot ask, since they use "
            f"IPv4 alone: {', '.join(ipv6)}",
            "have an IPv4 server, or AmazonProvidedDNS, in the VPC's DHCP options",
            fatal=not (ipv4 or facts.asks_aws_dns),
        )


def _dashed(name: str) -> str:
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name)


def _may_ask(environment: Environment, server: str) -> bool:
    rules = [EgressRule.parse(rule) for rule in environment.nodes.egress]
    return any(
        rule.protocol == "udp"
        and rule.first_port <= DNS_PORT <= rule.last_port
        and IPv4Address(server) in rule.cidr
        for rule in rules
    )


def _subnets(
    environment: Environment, facts: VpcFacts, foundation: Foundation | None
) -> Iterator[Finding]:
    for subnet in facts.subnets:
        if subnet.vpc_id != facts.id:
            words = f"network.private_subnet_ids: {subnet.id} is in {subnet.vpc_id}, not {facts.id}"
            yield Finding(words, "name subnets of network.vpc_id", fatal=True)
        if foundation is None and subnet.free_addresses < BALANCER_ADDRESSES:
            yield Finding(
                f"network.private_subnet_ids: {subnet.id} has {subnet.free_addresses} free "
                f"addresses, and the load balancer needs {BALANCER_ADDRESSES}",
                "name a larger subnet",
                fatal=True,
            )
    zones = Counter(subnet.zone for subnet in facts.subnets)
    # docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html
    for zone, count in sorted(zones.items()):
        if count > 1:
            there = ", ".join(subnet.id for subnet in facts.subnets if subnet.zone == zone)
            yield Finding(
                f"network.private_subnet_ids: {there} are all in {zone}, and a load balancer takes "
                "one subnet of each zone",
                "keep one of them, and name subnets of other zones",
                fatal=True,
            )
    if len(zones) == 1:
        words = f"network.private_subnet_ids: all of the cluster is in {next(iter(zones))}"
        yield Finding(words, "name a subnet of another zone too: heads fail over to it")


def _conflicts(environment: Environment, facts: VpcFacts) -> Iterator[Finding]:
    """A VPC resolves a private name to one endpoint, and a table has one route to a service."""
    network = environment.network
    for one in facts.endpoints:
        named = one.private_dns and one.service in network.interfaces
        routed = one.service in network.gateways and set(one.route_table_ids) & set(
            network.route_table_ids
        )
        if (named or routed) and not one.is_ours:
            yield Finding(
                f"network.endpoints: {one.id} in {facts.id} is an endpoint for {one.service}",
                f"remove {one.service} from network.endpoints: nodes use that one",
                fatal=True,
            )


def _services(environment: Environment, facts: VpcFacts) -> Iterator[Finding]:
    """Yield the services that nodes of a subnet cannot reach."""
    lacking: dict[tuple[str, ...], list[str]] = {}
    for subnet in facts.subnets:
        if subnet.ways_out or subnet.vpc_id != facts.id:
            continue
        missing = tuple(_unreachable(environment, facts, subnet.table))
        if missing:
            dead = f" (its default route leads to {subnet.dead_end})" if subnet.dead_end else ""
            lacking.setdefault(missing, []).append(f"{subnet.id}{dead}")
    for services, subnets in lacking.items():
        yield Finding(
            f"network.private_subnet_ids: from {', '.join(subnets)} nodes cannot reach "
            f"{', '.join(services)}",
            "route 0.0.0.0/0 to a NAT gateway or a transit gateway, or name them in "
            "network.endpoints (s3 and dynamodb with network.route_table_ids)",
            fatal=True,
        )


def _unreachable(environment: Environment, facts: VpcFacts, table: str) -> Iterator[str]:
    network = environment.network
    for service in sorted((*INTERFACES, *GATEWAYS)):
        created = service in network.interfaces or (
            service in network.gateways and table in network.route_table_ids
        )
        if not created and not any(_serves(one, service, table) for one in facts.endpoints):
            yield service


def _serves(endpoint: Endpoint, service: str, table: str) -> bool:
    reached = endpoint.private_dns or table in endpoint.route_table_ids
    return endpoint.service == service and reached


def _service_zones(
    clients: Clients, environment: Environment, facts: VpcFacts
) -> Iterator[Finding]:
    """An interface endpoint takes subnets of the zones alone that its service is in.

    https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html
    """
    served = endpoint_zones(clients, environment.region, environment.network.interfaces)
    for service, zones in sorted(served.items()):
        if outside := [subnet.id for subnet in facts.subnets if subnet.zone not in zones]:
            other = f"name subnets of {', '.join(sorted(zones))}, or " if zones else ""
            yield Finding(
                f"network.endpoints: {service} has no endpoints in the zone of "
                f"{', '.join(outside)}",
                f"{other}reach {service} by a NAT gateway",
                fatal=True,
            )
