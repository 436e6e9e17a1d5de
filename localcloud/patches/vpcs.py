"""Networks that are not deleted while in use, and leave nothing behind when they are.

Follows the EC2 API reference: DeleteSubnet, DeleteSecurityGroup and DeleteVpc refuse with
DependencyViolation while instances, load balancers, endpoints or other groups' rules use them, and
what AWS made itself (a default ACL, the interface of a NAT gateway) goes with its owner. moto
deletes networks under running instances, lists deleted endpoints forever and keeps those
leftovers.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from moto.ec2.exceptions import DependencyViolationError
from moto.ec2.models import EC2Backend
from moto.elbv2.models import elbv2_backends

from localcloud.world import World


def _instances(backend: Any) -> Iterator[Any]:
    return (one for one in backend.all_instances() if one.state_code != 48)  # terminated


def _balancers(backend: Any) -> Iterator[Any]:
    yield from elbv2_backends[backend.account_id][backend.region_name].load_balancers.values()


def _endpoints(backend: Any) -> Iterator[Any]:
    yield from backend.vpc_end_points.values()


def uses_of_subnet(backend: Any, subnet_id: str) -> bool:
    """Say whether anything has an interface in the subnet."""
    return (
        any(one.subnet_id == subnet_id for one in _instances(backend))
        or any(subnet_id in [s.id for s in one.subnets] for one in _balancers(backend))
        or any(subnet_id in (one.subnet_ids or []) for one in _endpoints(backend))
        or any(
            one.subnet_id == subnet_id and one.state != "deleted"
            for one in backend.nat_gateways.values()
        )
    )


def uses_of_group(backend: Any, group_id: str) -> bool:
    """Say whether anything is in the group, or another group's rules name it."""
    return (
        any(group_id in [g.id for g in one.security_groups] for one in _instances(backend))
        or any(group_id in (one.security_groups or []) for one in _balancers(backend))
        or any(group_id in (one.security_group_ids or []) for one in _endpoints(backend))
        or any(
            rule.source_group.get("GroupId") == group_id
            for groups in backend.groups.values()
            for group in groups.values()
            if group.id != group_id
            for rule in [*group.ingress_rules, *group.egress_rules]
        )
    )


@cache
def install() -> None:
    """Check before each deletion, and clean up after it."""
    subnet, group = EC2Backend.delete_subnet, EC2Backend._delete_security_group
    vpc, nat = EC2Backend.delete_vpc, EC2Backend.delete_nat_gateway
    endpoints = EC2Backend.delete_vpc_endpoints

    def delete_subnet(self: Any, subnet_id: str) -> Any:
        if uses_of_subnet(self, subnet_id):
            reason = f"The subnet '{subnet_id}' has dependencies and cannot be deleted."
            raise DependencyViolationError(reason)
        return subnet(self, subnet_id)

    def delete_group(self: Any, vpc_id: str | None, group_id: str) -> None:
        if uses_of_group(self, group_id):
            raise DependencyViolationError(f"resource {group_id} has a dependent object")
        group(self, vpc_id, group_id)

    def delete_vpc(self: Any, vpc_id: str) -> Any:
        _refuse_used_vpc(self, vpc_id)
        gone = vpc(self, vpc_id)
        for acl in [a for a in self.network_acls.values() if a.vpc_id == vpc_id]:
            del self.network_acls[acl.id]
        return gone

    def delete_nat_gateway(self: Any, nat_gateway_id: str) -> Any:
        gone = nat(self, nat_gateway_id)
        self.enis.pop(gone._eni.id, None)
        return gone

    def delete_vpc_endpoints(self: Any, vpce_ids: list[str] | None = None) -> None:
        endpoints(self, vpce_ids)
        for endpoint_id in vpce_ids or []:
            self.vpc_end_points.pop(endpoint_id, None)

    EC2Backend.delete_subnet = delete_subnet
    EC2Backend._delete_security_group = delete_group
    EC2Backend.delete_vpc = delete_vpc
    EC2Backend.delete_nat_gateway = delete_nat_gateway
    EC2Backend.delete_vpc_endpoints = delete_vpc_endpoints


def _refuse_used_vpc(backend: Any, vpc_id: str) -> None:
    groups = [g for g in backend.groups.get(vpc_id, {}).values() if g.name != "default"]
    gateways = [
        one for one in backend.internet_gateways.values() if one.vpc and one.vpc.id == vpc_id
    ]
    used = [one for one in _endpoints(backend) if one.vpc_id == vpc_id]
    if groups or gateways or used:
        reason = f"The vpc '{vpc_id}' has dependencies and cannot be deleted."
        raise DependencyViolationError(reason)


def attach(world: World) -> None:
    """Nothing happens here by itself."""
