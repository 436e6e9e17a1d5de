"""Private addresses: one owner each, and a released one is not reused at once.

Follows "IP addressing for your VPCs and subnets" in the VPC user guide (the first four addresses
and the last of a subnet are reserved) and what clients rely on: a name or a connection to an
instance that is gone does not reach its replacement. moto reuses an address at once, and network
interfaces made without one may collide.
"""

from collections.abc import Iterator
from functools import cache
from ipaddress import IPv4Address
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.subnets import Subnet

from localcloud.account import ec2_backends_in_use
from localcloud.world import World

RESERVED_FIRST = 4
RESERVED_LAST = 1


def allocate(subnet: Any) -> str:
    """Return the next free address of a moto subnet, in turn; raises AWS's error when full."""
    taken = _taken(subnet)
    for address in _round(subnet):
        if str(address) not in taken:
            subnet.last_address = address
            return str(address)
    raise EC2ClientError(
        "InsufficientFreeAddressesInSubnet",
        f"The subnet {subnet.id} has not enough free addresses to satisfy the request.",
    )


def _taken(subnet: Any) -> set[str]:
    """Return the addresses of all accounts: their machines are in one network here."""
    interfaces = [one for backend in ec2_backends_in_use() for one in backend.enis.values()]
    return set(subnet._subnet_ips) | {interface.private_ip_address for interface in interfaces}


def _round(subnet: Any) -> Iterator[IPv4Address]:
    """Yield every usable address once, beginning after the one allocated last."""
    first = subnet.cidr.network_address + RESERVED_FIRST
    count = subnet.cidr.num_addresses - RESERVED_FIRST - RESERVED_LAST
    last = getattr(subnet, "last_address", first - 1)
    start = int(last) + 1 - int(first)
    for step in range(count):
        yield first + (start + step) % count


def _get_available_subnet_ip(self: Any, instance: Any) -> str:
    address = allocate(self)
    self._subnet_ips[address] = instance
    return address


@cache
def install() -> None:
    """Allocate all addresses of instances and interfaces this way."""
    Subnet.get_available_subnet_ip = _get_available_subnet_ip
    make = NetworkInterface.__init__

    def made(self: Any, backend: Any, subnet: Any, address: Any, *rest: Any, **more: Any) -> None:
        place = backend.get_subnet(subnet) if isinstance(subnet, str) else subnet
        if not address and not (rest and rest[0]) and not more.get("private_ip_addresses"):
            address = allocate(place)
        make(self, backend, subnet, address, *rest, **more)

    NetworkInterface.__init__ = made


def attach(world: World) -> None:
    """Nothing happens here by itself."""
