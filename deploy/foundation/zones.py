"""The zones of a VPC that is created here: those that offer what is launched. Reads AWS only.

A subnet's zone cannot be changed, so a stack keeps the zones that it has.
"""

from collections.abc import Iterable, Sequence

from common.clients import Clients, translated
from common.environment import Environment
from deploy.foundation.desired_stack import ZONE_PARAMETERS
from deploy.foundation.stack import Stack, find_stack, foundation_of
from deploy.release.groups import type_names


def zones_for(clients: Clients, environment: Environment) -> tuple[str, ...]:
    """Return the zones of the environment's stack; none when it uses an existing VPC."""
    network = environment.network
    if network.vpc_id:
        return ()
    stack = find_stack(clients, environment.stack)
    held = _held(clients, stack) if stack and stack.is_usable else ()
    if len(held) >= network.zones:
        return held[: network.zones]
    return chosen_zones(clients, environment, held)


def chosen_zones(
    clients: Clients, environment: Environment, held: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Return as many zones as the environment has, those that are ``held`` first.

    Then come zones that groups name; those that offer the head's type and have every endpoint
    service; and those that offer types of most groups.
    """
    offered = offered_types(clients, environment)
    served = endpoint_zones(clients, environment.region, environment.network.interfaces)
    groups = environment.workers.values()
    named = {zone for group in groups for zone in group.zones}

    def rank(zone: str) -> tuple[bool, bool, int, str]:
        types = offered.get(zone, frozenset())
        fits = environment.head.instance_type in types and all(zone in z for z in served.values())
        launched = sum(bool(types & set(group.instance_types)) for group in groups)
        return (zone not in named, not fits, -launched, zone)

    best = sorted(set(all_zones(clients)) - set(held), key=rank)
    return (*held, *sorted(best[: environment.network.zones - len(held)]))


def all_zones(clients: Clients) -> dict[str, str]:
    """Return the region's Availability Zones, each with its id, in the order of their names.

    Without Local Zones, Wavelength Zones, and those that the account has not opted in to:

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAvailabilityZones.html
    """
    filters = [
        {"Name": "state", "Values": ["available"]},
        {"Name": "zone-type", "Values": ["availability-zone"]},
    ]
    with translated("reading the region's zones"):
        found = clients("ec2").describe_availability_zones(Filters=filters)
    return dict(sorted((zone["ZoneName"], zone["ZoneId"]) for zone in found["AvailabilityZones"]))


def offered_types(clients: Clients, environment: Environment) -> dict[str, frozenset[str]]:
    """Return which of the environment's instance types EC2 offers, by zone."""
    filters = [{"Name": "instance-type", "Values": sorted(type_names(environment))}]
    with translated("reading where the instance types are offered"):
        pages = clients("ec2").get_paginator("describe_instance_type_offerings")
        found: dict[str, set[str]] = {}
        for page in pages.paginate(LocationType="availability-zone", Filters=filters):
            for offer in page["InstanceTypeOfferings"]:
                found.setdefault(offer["Location"], set()).add(offer["InstanceType"])
    return {zone: frozenset(types) for zone, types in found.items()}


def endpoint_zones(
    clients: Clients, region: str, services: Iterable[str]
) -> dict[str, frozenset[str]]:
    """Return the zones where each of the services has interface endpoints; none where it has none.

    An endpoint cannot be created in a subnet of another zone:
    https://docs.aws.amazon.com/vpc/latest/privatelink/privatelink-access-aws-services.html
    """
    names = {f"com.amazonaws.{region}.{service}": service for service in services}
    if not names:
        return {}
    # By a filter: a name that the region lacks would be an error.
    filters = [
        {"Name": "service-name", "Values": sorted(names)},
        {"Name": "service-type", "Values": ["Interface"]},
    ]
    with translated("reading where the endpoint services are"):
        found = clients("ec2").describe_vpc_endpoint_services(Filters=filters)
    zones = {one["ServiceName"]: one["AvailabilityZones"] for one in found["ServiceDetails"]}
    return {service: frozenset(zones.get(name, ())) for name, service in names.items()}


def zones_of_subnets(clients: Clients, subnet_ids: Sequence[str]) -> tuple[str, ...]:
    """Return the zone of each subnet, in their order."""
    with translated("reading the subnets' zones"):
        found = clients("ec2").describe_subnets(SubnetIds=list(subnet_ids))["Subnets"]
    zones = {subnet["SubnetId"]: str(subnet["AvailabilityZone"]) for subnet in found}
    return tuple(zones[subnet] for subnet in subnet_ids)


def named_zones(stack: Stack) -> tuple[str, ...]:
    """Return the zones that a stack was given for its subnets; none if it chose them itself."""
    return tuple(filter(None, (stack.parameters.get(name, "") for name in ZONE_PARAMETERS)))


def _held(clients: Clients, stack: Stack) -> tuple[str, ...]:
    """Return the zones of the stack's subnets, in the template's order."""
    if ZONE_PARAMETERS[0] in stack.parameters:
        return named_zones(stack)
    return zones_of_subnets(clients, foundation_of(stack).private_subnet_ids)
