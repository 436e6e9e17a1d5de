"""Whether EC2 offers what is launched, in the zones that it is launched in. Reads AWS only."""

from collections.abc import Iterator

from common.clients import Clients
from common.environment import Environment
from deploy.foundation.stack import Foundation
from deploy.foundation.zones import chosen_zones, offered_types, zones_of_subnets
from deploy.plan.finding import Finding


def offer_findings(
    clients: Clients, environment: Environment, foundation: Foundation | None
) -> tuple[Finding, ...]:
    """Return the zones that a group names in vain, and where its instance types are not offered."""
    zones = launch_zones(clients, environment, foundation)
    types = offered_types(clients, environment)
    offered = {(kind, zone) for zone, kinds in types.items() for kind in kinds}
    found = list(_offer((environment.head.instance_type,), offered, zones))
    for name, group in sorted(environment.workers.items()):
        if lost := [zone for zone in group.zones if zone not in zones]:
            found.append(_no_subnet(name, lost, zones))
        else:
            found += _offer(group.instance_types, offered, group.zones or zones)
    return tuple(dict.fromkeys(found))


def _no_subnet(group: str, lost: list[str], zones: tuple[str, ...]) -> Finding:
    return Finding(
        f"workers.{group}.zones: no private subnet is in {', '.join(lost)}; "
        f"they are in {', '.join(zones)}",
        hint="choose zones of the subnets, or add a subnet there",
        fatal=True,
    )


def _offer(
    types: tuple[str, ...], offered: set[tuple[str, str]], zones: tuple[str, ...]
) -> Iterator[Finding]:
    """Yield what is missing of alternatives; fatal where no zone offers any of them."""
    missing = {name: [z for z in zones if (name, z) not in offered] for name in types}
    nowhere = all(len(lacking) == len(zones) for lacking in missing.values())
    for name, lacking in missing.items():
        if lacking:
            yield Finding(
                f"{name} is not offered in {', '.join(lacking)}",
                hint="choose another instance type, or subnets in other zones",
                fatal=nowhere,
            )


def launch_zones(
    clients: Clients, environment: Environment, foundation: Foundation | None
) -> tuple[str, ...]:
    """Return the zones of the private subnets, or those that the foundation would choose."""
    given = environment.network.private_subnet_ids
    subnets = foundation.private_subnet_ids if foundation else given
    if not subnets:
        return chosen_zones(clients, environment)
    return tuple(sorted(set(zones_of_subnets(clients, subnets))))
