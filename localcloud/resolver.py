"""The VPC's resolver at 169.254.169.253, and one outside of it: dnsmasq, with the records of moto's
Route 53. Reads moto.

Follows "Amazon DNS server" in the VPC user guide: names of private hosted zones, of the instances
(ip-10-0-0-1.ec2.internal) and of AWS's services, which here all resolve to the local cloud's API.
There is no upstream: any other name is answered at once with NXDOMAIN. Addresses change by SIGHUP,
which loses no query; other records by a restart. See dnsmasq(8).

Outside of the VPC its private zones do not exist ("Working with private hosted zones" in the Route
53 guide). The name of an internal load balancer does, with its private addresses ("Network Load
Balancers", docs.aws.amazon.com/elasticloadbalancing/latest/userguide/how-elastic-load-balancing-
works.html: the DNS name of an internal load balancer is publicly resolvable).
"""

import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localcloud.account import ACCOUNT, REGION
from localcloud.certificates import NEWER_DOMAIN, REGISTRIES
from localcloud.network import API, PUBLIC_RESOLVER, RANGES, REGISTRY, RESOLVER, SESSIONS

TTL = 5
SESSIONS_NAME = f"ssmmessages.{REGION}.amazonaws.com"


@dataclass(frozen=True)
class Records:
    """The records of the private hosted zones."""

    addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    zones: tuple[str, ...] = ()


class Resolver:
    """A resolver's process; runs inside the VPC's namespace."""

    def __init__(
        self,
        folder: Path,
        address: str = RESOLVER,
        records: Callable[[], Records] | None = None,
    ) -> None:
        self._folder = folder
        self._address = address
        self._records = records or desired_records
        self._process: subprocess.Popen[bytes] | None = None
        self._known = Records()

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write(self._known)
        self._restart()

    def reconcile(self, now: float) -> None:
        """Pass on what changed; restart dnsmasq if it died."""
        records = self._records()
        dead = self._process is None or self._process.poll() is not None
        if records == self._known and not dead:
            return
        restart = dead or self._settings(records) != self._settings(self._known)
        self._known = records
        self._write(records)
        if restart:
            self._restart()
        elif self._process:
            self._process.send_signal(signal.SIGHUP)

    def _write(self, records: Records) -> None:
        lines = [f"{a} {name}\n" for name, found in records.addresses.items() for a in found]
        (self._folder / "hosts").write_text("".join(lines))
        (self._folder / "dnsmasq.conf").write_text("\n".join(self._settings(records)) + "\n")

    def _settings(self, records: Records) -> list[str]:
        return settings_for(records, self._address)

    def _restart(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()
        self._process = subprocess.Popen(
            [
                "dnsmasq",
                "--keep-in-foreground",
                f"--conf-file={self._folder / 'dnsmasq.conf'}",
                f"--addn-hosts={self._folder / 'hosts'}",
                "--pid-file",
                "--user=root",
            ],
            stdin=subprocess.DEVNULL,
        )


def public_resolver(folder: Path) -> Resolver:
    """Return what answers outside of the VPC."""
    return Resolver(folder, PUBLIC_RESOLVER, lambda: Records(addresses=_balancers()))


def settings_for(records: Records, address: str = RESOLVER) -> list[str]:
    """Return dnsmasq's configuration: everything but addresses."""
    inside = address == RESOLVER
    internal = [f"synth-domain=ec2.internal,{network},ip-" for network in RANGES if inside]
    return [
        "no-resolv",
        "no-hosts",
        "bind-interfaces",
        f"listen-address={address}",
        f"local-ttl={TTL}",
        "address=/#/",
        f"address=/amazonaws.com/{API}",
        f"address=/{NEWER_DOMAIN}/{API}",
        f"address=/{REGISTRIES}/{REGISTRY}",
        f"address=/{SESSIONS_NAME}/{SESSIONS}",
        "local=/elb.us-east-1.amazonaws.com/us-east-1.elb.amazonaws.com/",
        "local=/ec2.internal/",
        *internal,
        *(f"local=/{zone}/" for zone in records.zones),
        *(f"cname={name},{target}" for name, target in records.aliases.items()),
        *(f"txt-record={name},{text}" for name, text in records.texts.items()),
    ]


def desired_records() -> Records:
    """Return the records of private zones, load balancers and caches as they are now."""
    balancers = _balancers()
    found, zones = _discovered()
    records = Records(addresses=balancers | _stores() | found)
    for zone in _private_zones():
        zones.append(zone.name.rstrip("."))
        for record in zone.rrsets:
            _add(records, record, balancers)
    known = tuple(dict.fromkeys(zones))
    return Records(records.addresses, records.aliases, records.texts, known)


def _private_zones() -> list[Any]:
    from moto.route53.models import route53_backends

    zones = route53_backends[ACCOUNT]["aws"].zones.values()
    return [zone for zone in zones if zone.private_zone]


def _discovered() -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Return the addresses behind Cloud Map's names, and its private namespaces.

    A namespace is a private hosted zone of its own: docs.aws.amazon.com/cloud-map/latest/api/
    API_CreatePrivateDnsNamespace.html. At most eight instances are returned, here all of them.
    """
    from moto.servicediscovery.models import servicediscovery_backends

    backend = servicediscovery_backends[ACCOUNT][REGION]
    spaces = {s.id: s.name.lower() for s in backend.namespaces.values() if s.type == "DNS_PRIVATE"}
    found = {
        f"{service.name.lower()}.{spaces[service.namespace_id]}": tuple(
            sorted(one.attributes["AWS_INSTANCE_IPV4"] for one in service.instances)
        )
        for service in backend.services.values()
        if service.namespace_id in spaces
    }
    return found, list(spaces.values())


def _balancers() -> dict[str, tuple[str, ...]]:
    """Return each load balancer's name and addresses."""
    from moto.elbv2.models import elbv2_backends

    found = elbv2_backends[ACCOUNT][REGION].load_balancers.values()
    return {b.dns_name.lower(): tuple(getattr(b, "addresses", ())) for b in found}


def _stores() -> dict[str, tuple[str, ...]]:
    """Return each cache's name and address."""
    from localcloud.patches.elasticache import plans

    return {plan.endpoint: (plan.address,) for plan in plans()}


def _add(records: Records, record: Any, balancers: dict[str, tuple[str, ...]]) -> None:
    name = record.name.rstrip(".").lower()
    if record.alias_target:
        target = record.alias_target["DNSName"].rstrip(".").lower()
        records.addresses[name] = balancers.get(target.removeprefix("dualstack."), ())
    elif record.type == "A":
        records.addresses[name] = tuple(record.records)
    elif record.type == "CNAME":
        records.aliases[name] = record.records[0].rstrip(".").lower()
    elif record.type == "TXT":
        records.texts[name] = record.records[0]
