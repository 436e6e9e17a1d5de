"""Find endpoints of an existing VPC that would not let nodes in. Reads AWS (EC2) only."""

from collections.abc import Iterator
from typing import Any

from common.clients import Clients, translated
from common.network import INTERFACES
from deploy.plan.finding import Finding
from deploy.plan.vpc_facts import Endpoint, VpcFacts

HTTPS = 443


def shut_endpoints(clients: Clients, facts: VpcFacts) -> Iterator[Finding]:
    """Yield endpoints that nodes will use, and whose security groups admit no range on 443.

    A call to such an endpoint hangs until it times out.
    https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html
    """
    used = [
        one
        for one in facts.endpoints
        if one.private_dns and not one.is_ours and one.service in INTERFACES
    ]
    ids = sorted({group for one in used for group in one.security_group_ids})
    if not ids:
        return
    with translated("reading the security groups of the endpoints"):
        found = clients("ec2").describe_security_groups(GroupIds=ids)["SecurityGroups"]
    admitting = {group["GroupId"] for group in found if _admits_ranges(group)}
    yield from (_finding(one) for one in used if not set(one.security_group_ids) & admitting)


def _admits_ranges(group: dict[str, Any]) -> bool:
    """Say whether a range of addresses may use 443; one group that admits another may not suffice,
    as the nodes' own groups are new.
    """
    return any(
        (rule["IpProtocol"] == "-1" or rule.get("FromPort", 0) <= HTTPS <= rule.get("ToPort", 0))
        and (rule.get("IpRanges") or rule.get("PrefixListIds"))
        for rule in group.get("IpPermissions", [])
    )


def _finding(endpoint: Endpoint) -> Finding:
    groups = ", ".join(endpoint.security_group_ids)
    return Finding(
        f"network.vpc_id: {endpoint.id}, the endpoint for {endpoint.service}, admits no range of "
        f"addresses on port {HTTPS} ({groups})",
        f"admit the VPC's ranges in {groups}, or give nodes a group that it admits: [nodes] "
        "security_group_ids",
    )
