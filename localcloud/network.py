"""The VPC: a network namespace that no packet leaves, and a router for every host in it. No AWS.

Each host (machine, load balancer) has its own namespace, one cable (a veth pair) to the VPC's and a
route to its address there. So the VPC forwards all traffic between hosts and applies the security
groups to it; no traffic bypasses them. As on AWS, packets for an unused address are dropped
silently. Packets of a process inside the VPC's own namespace come from 10.77.0.1 or 172.31.0.1.

The operator is in a namespace beside the VPC, with routes to AWS's public endpoints and to nothing
else: an environment's VPC has no line to it.

The namespaces are connected to no other network and have no default route. Packets for any address
outside the VPC are rejected and counted, even if someone adds a route.
"""

import ctypes
import hashlib
import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path

from localcloud.paths import namespace_path
from localcloud.processes import run

DEVICE = "br0"
RANGES = {ip_network("172.31.0.0/16"): "172.31.0.1", ip_network("10.77.0.0/16"): "10.77.0.1"}
OPERATOR = "169.254.169.247"
PUBLIC_RESOLVER = "169.254.169.248"  # of who is outside of the VPC
SESSIONS = "169.254.169.249"  # the data channels of Session Manager
API = "169.254.169.250"
REGISTRY = "169.254.169.251"
RESOLVER = "169.254.169.253"
METADATA = "169.254.169.254"
TASKS = "169.254.170.2"  # metadata and credentials of ECS tasks
PUBLIC = (API, REGISTRY, SESSIONS, PUBLIC_RESOLVER)
SERVICES = (API, REGISTRY, SESSIONS, RESOLVER, PUBLIC_RESOLVER, METADATA, TASKS)

# Router, no redirects, spoofed sources dropped, no IPv6 on the cables.
SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/rp_filter": "1",
    "net/ipv4/conf/default/rp_filter": "1",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv6/conf/all/disable_ipv6": "1",
    "net/ipv6/conf/default/disable_ipv6": "1",
}

FIREWALL = f"""
table inet guard {{
  set ours {{
    type ipv4_addr; flags interval
    elements = {{ 127.0.0.0/8, {", ".join(map(str, (*RANGES, *SERVICES, OPERATOR)))} }}
  }}
  counter refused {{ comment "from a host, for an address outside" }}
  counter refused_operator {{ comment "from inside the namespace, for an address outside" }}
  counter left {{ comment "would have left: stays 0" }}
  chain arriving {{
    type filter hook prerouting priority raw; policy accept
    iifname lo accept
    ip daddr @ours accept
    meta pkttype {{ broadcast, multicast }} drop
    meta nfproto ipv6 drop
    counter name refused reject
  }}
  chain sent {{
    type filter hook output priority raw; policy accept
    oifname lo accept
    ip daddr @ours accept
    counter name refused_operator reject
  }}
  chain leaving {{
    type filter hook postrouting priority raw; policy accept
    oifname lo accept
    ip daddr @ours accept
    counter name left drop
  }}
}}
"""

_CLONE_NEWNET = 0x40000000
_CLONE_NEWNS = 0x00020000
_libc = ctypes.CDLL(None, use_errno=True)


class Network:
    """The VPC of one local cloud, by the name of its namespace."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._changing = threading.Lock()
        self._spaces: dict[str, str] = {}

    def up(self) -> None:
        """Make the namespace, its addresses and its firewall; raises OSError."""
        run("ip", "netns", "add", self.name)
        with entered(namespace_path(self.name)):
            for key, value in SYSCTLS.items():
                Path("/proc/sys", key).write_text(value)
        addresses = [f"{gateway}/{network.prefixlen}" for network, gateway in RANGES.items()]
        addresses += [f"{service}/32" for service in SERVICES]
        # Without ARP, packets for an unused address are dropped instead of failing.
        lines = [
            "link set lo up",
            f"link add {DEVICE} type bridge",
            f"link set {DEVICE} arp off up",
        ]
        _ip(self.name, lines + [f"addr add {address} dev {DEVICE}" for address in addresses])
        self.apply(FIREWALL)
        self._add_operator()

    def _add_operator(self) -> None:
        """Make the operator's namespace: a cable to AWS's public endpoints, and no other route."""
        space = self.space_of("operator")
        cable = _cable(space)
        run("ip", "netns", "add", space)
        _ip(
            self.name,
            [
                f"link add {cable} type veth peer name eth0 netns {space}",
                f"link set {cable} up",
                f"route add {OPERATOR}/32 dev {cable} src {API}",
            ],
        )
        lines = ["link set lo up", f"addr add {OPERATOR}/32 dev eth0", "link set eth0 up"]
        _ip(space, lines + [f"route add {one}/32 dev eth0 src {OPERATOR}" for one in PUBLIC])

    def down(self) -> None:
        """Remove the namespace and those of its hosts, with everything in them."""
        for found in namespaces(self.name):
            run("ip", "netns", "del", found)

    def attach(self, host: str, addresses: Sequence[str], mac: str = "") -> str:
        """Give ``host`` a namespace whose eth0 has these addresses; return the namespace's name.

        Raises OSError, and then leaves nothing. An address of another host, one that is about to be
        detached, is this host's from now on.
        """
        space, cable = self.space_of(host), _cable(host)
        named = f"peer name eth0 {f'address {mac}' if mac else ''} netns {space}"
        routes = [f"route replace {a}/32 dev {cable} src {gateway_of(a)}" for a in addresses]
        with self._changing:
            run("ip", "netns", "add", space)
            try:
                link = [f"link add {cable} type veth {named}", f"link set {cable} up"]
                _ip(self.name, link + routes)
                _ip(space, _host_side(addresses))
            except OSError:
                self._cut(host)
                raise
            self._spaces.update(dict.fromkeys(addresses, space))
        return space

    def detach(self, host: str) -> None:
        """Remove a host's namespace and cable; its address is unused from now on."""
        space = self.space_of(host)
        with self._changing:
            self._spaces = {a: s for a, s in self._spaces.items() if s != space}
            if namespace_path(space).exists():
                self._cut(host)

    def _cut(self, host: str) -> None:
        """Remove a host's namespace, and its cable if that was made."""
        cut = ["ip", "-n", self.name, "link", "del", _cable(host)]
        subprocess.run(cut, capture_output=True, check=False)
        run("ip", "netns", "del", self.space_of(host))

    def space_holding(self, address: str) -> str:
        """Return the namespace of the host with this address; the VPC's own if none has it."""
        return self._spaces.get(address, self.name)

    def space_of(self, host: str) -> str:
        """Return the name of the host's namespace."""
        return f"{self.name}-{host}"

    def apply(self, rules: str) -> None:
        """Apply nft rules in the VPC, all or none (nft(8), -f)."""
        self._nft("-f", "-", text=rules)

    def counters(self) -> dict[str, int]:
        """Return how many packets each named counter has seen."""
        listed = self._nft("list", "counters")
        found = re.findall(r"counter (\w+) \{[^}]*?packets (\d+)", listed)
        return {name: int(packets) for name, packets in found}

    def _nft(self, *arguments: str, text: str = "") -> str:
        where = f"--net={namespace_path(self.name)}"
        return run("nsenter", where, "nft", *arguments, text=text)


def namespaces(name: str) -> list[str]:
    """Return the namespaces of the cloud ``name``, its hosts' first."""
    folder = Path("/run/netns")
    names = [path.name for path in folder.iterdir()] if folder.exists() else []
    return sorted((n for n in names if n == name or n.startswith(f"{name}-")), reverse=True)


def gateway_of(address: str) -> str:
    """Return the router's address in the range that ``address`` is in; ValueError if in none."""
    for network, gateway in RANGES.items():
        if ip_address(address) in network:
            return gateway
    raise ValueError(f"{address} is in none of {', '.join(map(str, RANGES))}")


@contextmanager
def entered(namespace: Path) -> Iterator[None]:
    """Put the calling thread into a network namespace for a while; sockets stay there."""
    with Path("/proc/thread-self/ns/net").open("rb") as home, namespace.open("rb") as there:
        _setns(there.fileno())
        try:
            yield
        finally:
            _setns(home.fileno())


def enter(namespace: Path) -> None:
    """Put this process into a network namespace for good, with its own mounts (setns(2),
    unshare(2)); threads that run already stay outside. Raises OSError.
    """
    with namespace.open("rb") as there:
        _setns(there.fileno())
    if _libc.unshare(_CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare: could not create a mount namespace")


def is_inside(namespace: Path) -> bool:
    """Say whether this process already is in that network namespace."""
    return namespace.exists() and namespace.samefile("/proc/self/ns/net")


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns: the network namespace could not be entered")


def _cable(host: str) -> str:
    """Interface names hold 15 characters."""
    return f"v{hashlib.sha256(host.encode()).hexdigest()[:12]}"


def _host_side(addresses: Sequence[str]) -> list[str]:
    """All traffic goes through the router, also to neighbours: an address brings no route."""
    first = addresses[0]
    return [
        "link set lo up",
        *(f"addr add {address}/16 dev eth0 noprefixroute" for address in addresses),
        "link set eth0 up",
        f"route add default via {gateway_of(first)} dev eth0 onlink src {first}",
    ]


def _ip(space: str, lines: Sequence[str]) -> None:
    run("ip", "-n", space, "-batch", "-", text="\n".join(lines) + "\n")
