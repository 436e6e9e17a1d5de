"""Security groups, enforced: nft rules in the VPC made from moto's groups. Reads moto.

Follows "Security group rules" and "Security group connection tracking" in the VPC user guide:
traffic that no rule allows is dropped silently, replies to allowed traffic pass, the rules of all
groups of an interface add up, and a rule may name a group instead of addresses. The API, the
resolver and the metadata service are always reachable, as on AWS. The operator's packets come from
the range's first address and need an inbound rule like any other. A load balancer without groups is
not restricted ("Update the security groups for your Network Load Balancer").

Outbound rules are applied before inbound rules; both where the VPC forwards.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from localcloud.account import ec2_backends_in_use
from localcloud.network import SERVICES, Network

Members = dict[str, tuple[str, ...]]

ANY = "-1"


class SecurityGroups:
    """Keeps nft's rules in step with moto's groups."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._applied = ""

    def reconcile(self, now: float) -> None:
        """Apply what changed, all at once."""
        rules = desired_rules()
        if rules != self._applied:
            self._network.apply(f"table inet groups\ndelete table inet groups\n{rules}")
            self._applied = rules


def desired_rules() -> str:
    """Return the whole table as nft reads it."""
    vpcs = [vpc for backend in ec2_backends_in_use() for vpc in backend.groups.values()]
    groups = {group.id: group for vpc in vpcs for group in vpc.values()}
    found = _hosts(groups)
    members = _members(found)
    hosts = {address: ids for address, ids in found.items() if ids is not None}
    free = [address for address, ids in found.items() if ids is None]
    chains = [
        *(_chain("out", host, _egress(groups, ids)) for host, ids in hosts.items()),
        *(_chain("in", host, _ingress(groups, ids)) for host, ids in hosts.items()),
    ]
    sets = [_set(group_id, members.get(group_id, ())) for group_id in groups]
    lines = [
        *sets,
        _set("unrestricted", free),
        *chains,
        _map("out", hosts),
        _map("in", hosts),
        _hooks(),
    ]
    return "table inet groups {\n" + "\n".join(lines) + "\n}\n"


def _hosts(groups: Iterable[str]) -> dict[str, tuple[str, ...] | None]:
    """Return the groups of every interface in use, by its address; None means unrestricted."""
    backends, known = list(ec2_backends_in_use()), set(groups)
    instances = [one for backend in backends for one in backend.all_instances()]
    ending = [one.nics[0] for one in instances if one.state == "shutting-down"]
    interfaces = [one for backend in backends for one in backend.enis.values()]
    used = [one for one in interfaces if one.status == "in-use"]
    return {
        interface.private_ip_address: _groups_of(interface, known) for interface in [*ending, *used]
    }


def _groups_of(interface: Any, known: set[str]) -> tuple[str, ...] | None:
    if not interface.group_set:
        return None
    return tuple(sorted(known & {group.id for group in interface.group_set}))


def _members(hosts: dict[str, tuple[str, ...] | None]) -> Members:
    members: dict[str, list[str]] = {}
    for address, ids in hosts.items():
        for group_id in ids or ():
            members.setdefault(group_id, []).append(address)
    return {group_id: tuple(sorted(found)) for group_id, found in members.items()}


def _egress(groups: dict[str, Any], ids: Iterable[str]) -> Iterator[str]:
    for group_id in ids:
        for rule in groups[group_id].egress_rules:
            yield from _matches(rule, "daddr", groups)


def _ingress(groups: dict[str, Any], ids: Iterable[str]) -> Iterator[str]:
    for group_id in ids:
        for rule in groups[group_id].ingress_rules:
            yield from _matches(rule, "saddr", groups)


def _matches(rule: Any, side: str, groups: dict[str, Any]) -> Iterator[str]:
    what = _traffic(str(rule.ip_protocol), rule.from_port, rule.to_port)
    if rule.cidr_ipv4:
        yield f"ip {side} {rule.cidr_ipv4} {what} accept"
    if rule.source_group.get("GroupId") in groups:
        yield f"ip {side} @{_name(rule.source_group['GroupId'])} {what} accept"


def _traffic(protocol: str, first: Any, last: Any) -> str:
    """Return nft's match for a rule's protocol and ports (-1 is all)."""
    if protocol == ANY:
        return ""
    if protocol in ("tcp", "6", "udp", "17"):
        name = "tcp" if protocol in ("tcp", "6") else "udp"
        if first is None or int(first) < 0:
            return f"meta l4proto {name}"
        return f"{name} dport {int(first)}-{int(last)}"
    return f"meta l4proto {protocol}"


def _name(group_id: str) -> str:
    return group_id.replace("-", "_")


def _chain_name(way: str, address: str) -> str:
    return f"{way}_{address.replace('.', '_')}"


def _chain(way: str, address: str, rules: Iterable[str]) -> str:
    body = [*dict.fromkeys(rules), "counter drop"]
    return f"chain {_chain_name(way, address)} {{\n" + "\n".join(body) + "\n}"


def _set(group_id: str, addresses: Iterable[str]) -> str:
    listed = ", ".join(addresses)
    elements = f"elements = {{ {listed} }}" if listed else ""
    return f"set {_name(group_id)} {{ type ipv4_addr; {elements} }}"


def _map(way: str, hosts: Iterable[str]) -> str:
    verdicts = ", ".join(f"{host} : jump {_chain_name(way, host)}" for host in hosts)
    elements = f"elements = {{ {verdicts} }}" if verdicts else ""
    return f"map {way} {{ type ipv4_addr : verdict; {elements} }}"


def _hooks() -> str:
    services = ", ".join(SERVICES)
    return f"""
chain leaving {{
  type filter hook forward priority 0; policy drop
  ct state established,related accept
  ip saddr @unrestricted accept
  ip saddr vmap @out
}}
chain arriving {{
  type filter hook forward priority 10; policy drop
  ct state established,related accept
  ip daddr @unrestricted accept
  ip daddr vmap @in
}}
chain from_operator {{
  type filter hook output priority 10; policy accept
  ct state established,related accept
  ip daddr {{ 127.0.0.0/8, {services} }} accept
  icmp type {{ destination-unreachable, time-exceeded }} accept
  ip daddr vmap @in
}}
chain to_router {{
  type filter hook input priority 0; policy accept
  iifname lo accept
  ct state established,related accept
  ip daddr {{ {services} }} accept
  ip saddr vmap @out
}}"""
