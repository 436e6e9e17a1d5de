"""Network load balancers: their own ARN and name, an address per subnet, provisioning that ends.

Follows CreateLoadBalancer, SetSecurityGroups, DeleteLoadBalancer and CreateListener in the Elastic
Load Balancing API reference and
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/network-load-balancers.html
(addresses, security groups, DNS failover of zones). moto gives them an application load balancer's
ARN, no addresses, and leaves them in ``provisioning`` forever.

A load balancer's interfaces are real ones in EC2's state, so that nothing else gets its addresses
and its security groups can be enforced. ``load_balancer.addresses`` is what its name resolves to
now.
"""

import re
from functools import cache
from typing import Any

from moto.elbv2.exceptions import (
    DuplicateListenerError,
    DuplicateLoadBalancerName,
    ELBClientError,
)
from moto.elbv2.models import ELBv2Backend, FakeLoadBalancer

from localcloud import behaviour
from localcloud.patches import internal
from localcloud.patches.elbv2.records import HEALTHY, forwards_to, targets, zone_of
from localcloud.world import current

LONGEST_NAME = 32
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
HOSTED_ZONE = "Z26RNL4JYFTOTI"  # of network load balancers in us-east-1 (AWS General Reference)
NETWORK_ONLY = "The local cloud has only load balancers of type network"
TCP_ONLY = "The local cloud supports TCP listeners only"
NOT_AT_CREATION = (
    "You cannot set security groups on a Network Load Balancer that was created without any"
)


def is_network(load_balancer: Any) -> bool:
    return bool(load_balancer.type == "network")


def full_name(load_balancer: Any) -> str:
    """Return ``net/NAME/ID``, as metrics and interfaces call it."""
    return str(load_balancer.arn).split(":loadbalancer/", 1)[1]


def _create(create: Any) -> Any:
    def create_load_balancer(
        self: Any, name: str, security_groups: Any, subnet_ids: Any, **settings: Any
    ) -> Any:
        if settings.get("loadbalancer_type") != "network":
            raise ELBClientError("InvalidConfigurationRequest", NETWORK_ONLY)
        if any(found.name == name for found in self.load_balancers.values()):
            raise DuplicateLoadBalancerName()
        _check_name(name)
        _check_zones(self, subnet_ids or [])
        load_balancer = create(self, name, security_groups or [], subnet_ids or [], **settings)
        load_balancer.due = current().clock.now() + behaviour.current().provisioning
        _make_network(self, load_balancer, settings)
        return load_balancer

    return create_load_balancer


def _check_name(name: str) -> None:
    """At most 32 letters, digits and hyphens; no hyphen at either end (CreateLoadBalancer)."""
    if len(name) > LONGEST_NAME:
        raise ELBClientError(
            "ValidationError",
            f"The load balancer name '{name}' cannot be longer than '{LONGEST_NAME}' characters",
        )
    if not NAME.fullmatch(name) or name.startswith("internal-"):
        raise ELBClientError("ValidationError", f"The load balancer name '{name}' is not valid")


def _check_zones(backend: Any, subnet_ids: list[str]) -> None:
    """Only one subnet of each zone can be used, says CreateLoadBalancer."""
    zones = [backend.ec2_backend.get_subnet(name).availability_zone for name in subnet_ids]
    if len(set(zones)) < len(zones):
        raise ELBClientError(
            "InvalidConfigurationRequest",
            "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
        )


def _make_network(backend: Any, load_balancer: Any, settings: dict[str, Any]) -> None:
    old = load_balancer.arn
    load_balancer.arn = old.replace(":loadbalancer/app/", ":loadbalancer/net/")
    backend.load_balancers[load_balancer.arn] = backend.load_balancers.pop(old)
    backend.tagging_service.delete_all_tags_for_resource(old)
    backend.tagging_service.tag_resource(load_balancer.arn, settings.get("tags"))
    load_balancer.scheme = load_balancer.scheme or "internet-facing"
    load_balancer.dns_name = (
        f"{load_balancer.name}-{load_balancer.arn.rsplit('/', 1)[1]}"
        f".elb.{backend.region_name}.amazonaws.com"
    )
    load_balancer.canonical_hosted_zone_id = HOSTED_ZONE
    load_balancer.interfaces = {}
    fixed = {m["SubnetId"]: m.get("PrivateIPv4Address") for m in settings["subnet_mappings"] or []}
    follow_subnets(backend, load_balancer, fixed)
    load_balancer.addresses = resolved(backend, load_balancer)


def follow_subnets(backend: Any, load_balancer: Any, fixed: dict[str, str | None]) -> None:
    """Keep one interface per subnet: create missing ones, delete surplus ones."""
    desired = [subnet.id for subnet in load_balancer.subnets]
    for subnet_id in desired:
        if subnet_id in load_balancer.interfaces:
            continue
        address = fixed.get(subnet_id)
        interface = backend.ec2_backend.create_network_interface(
            subnet_id,
            address or "",
            group_ids=list(load_balancer.security_groups),
            description=f"ELB {full_name(load_balancer)}",
        )
        if not load_balancer.security_groups:
            interface._group_set = []
        interface.interface_type, interface.status = "network_load_balancer", "in-use"
        interface.requester_managed, interface.requester_id = True, "amazon-elb"
        load_balancer.interfaces[subnet_id] = interface
    for subnet_id in load_balancer.interfaces.keys() - set(desired):
        _delete_interface(backend, load_balancer.interfaces.pop(subnet_id))


def _delete_interface(backend: Any, interface: Any) -> None:
    interface.status = "available"
    backend.ec2_backend.delete_network_interface(interface.id)


def addresses(load_balancer: Any) -> dict[str, str]:
    """Return the load balancer's address in each of its zones."""
    interfaces = getattr(load_balancer, "interfaces", {}).values()
    return {i.subnet.availability_zone: i.private_ip_address for i in interfaces}


def resolved(backend: Any, load_balancer: Any) -> tuple[str, ...]:
    """Return what the name resolves to: zones that can serve, or all if none can."""
    by_zone = addresses(load_balancer)
    if _crosses_zones(load_balancer):
        return tuple(by_zone.values())
    serving = {
        zone_of(target, group)
        for listener in load_balancer.listeners.values()
        for arn in forwards_to(listener, backend)
        if (group := backend.target_groups.get(arn))
        for target in targets(group).values()
        if target.health == HEALTHY
    }
    kept = tuple(address for zone, address in by_zone.items() if zone in serving)
    return kept or tuple(by_zone.values())


def _crosses_zones(load_balancer: Any) -> bool:
    return str(load_balancer.attrs.get("load_balancing.cross_zone.enabled")).lower() == "true"


def crosses_zones(load_balancer: Any, target_group: Any) -> bool:
    """Say whether a target group's traffic crosses zones: its own setting, or the balancer's."""
    own = str(target_group.attributes.get("load_balancing.cross_zone.enabled", "")).lower()
    return own == "true" or (own != "false" and _crosses_zones(load_balancer))


def _delete(delete: Any) -> Any:
    def delete_load_balancer(self: Any, arn: str) -> None:
        load_balancer = self.load_balancers.get(arn)
        if load_balancer is None:
            return
        if str(load_balancer.attrs.get("deletion_protection.enabled")).lower() == "true":
            raise ELBClientError(
                "OperationNotPermitted",
                f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
            )
        for interface in getattr(load_balancer, "interfaces", {}).values():
            _delete_interface(self, interface)
        delete(self, arn)
        relink(self)

    return delete_load_balancer


def _set_security_groups(set_groups: Any) -> Any:
    def set_security_groups(self: Any, arn: str, sec_groups: list[str]) -> None:
        load_balancer = self.load_balancers.get(arn)
        network = load_balancer is not None and is_network(load_balancer)
        if network and not load_balancer.security_groups:
            raise ELBClientError("InvalidConfigurationRequest", NOT_AT_CREATION)
        set_groups(self, arn, sec_groups)
        for interface in getattr(load_balancer, "interfaces", {}).values():
            internal.client("ec2").modify_network_interface_attribute(
                NetworkInterfaceId=interface.id, Groups=sec_groups
            )

    return set_security_groups


def _create_listener(create: Any) -> Any:
    def create_listener(self: Any, load_balancer_arn: str, *rest: Any, **more: Any) -> Any:
        if more.get("protocol") != "TCP":
            raise ELBClientError("InvalidConfigurationRequest", TCP_ONLY)
        load_balancer = self.load_balancers.get(load_balancer_arn)
        port = str(more.get("port"))
        if load_balancer and any(str(x.port) == port for x in load_balancer.listeners.values()):
            raise DuplicateListenerError()
        return create(self, load_balancer_arn, *rest, **more)

    return create_listener


def _relinked(change: Any) -> Any:
    def changed(self: Any, *arguments: Any, **named: Any) -> Any:
        answer = change(self, *arguments, **named)
        relink(self)
        return answer

    return changed


def relink(backend: Any) -> None:
    """Let every target group name the load balancers that really use it."""
    for group in backend.target_groups.values():
        group.load_balancer_arns = [
            balancer.arn
            for balancer in backend.load_balancers.values()
            if any(group.arn in forwards_to(x, backend) for x in balancer.listeners.values())
        ]


def step(backend: Any, load_balancer: Any, now: float) -> None:
    """Finish provisioning when due; update the interfaces, and what the name resolves to."""
    if now >= getattr(load_balancer, "due", 0.0):
        load_balancer.state = "active"
    if is_network(load_balancer):
        follow_subnets(backend, load_balancer, {})
        load_balancer.addresses = resolved(backend, load_balancer)


def _stay(self: Any) -> None:
    """moto activates a balancer that is described; here time does."""


@cache
def install() -> None:
    backend = ELBv2Backend
    FakeLoadBalancer.activate = _stay
    backend.create_load_balancer = _create(backend.create_load_balancer)
    backend.delete_load_balancer = _delete(backend.delete_load_balancer)
    backend.set_security_groups = _set_security_groups(backend.set_security_groups)
    backend.create_listener = _relinked(_create_listener(backend.create_listener))
    backend.modify_listener = _relinked(backend.modify_listener)
    backend.delete_listener = _relinked(backend.delete_listener)
