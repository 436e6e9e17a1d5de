"""A load balancer's data plane on real machines: addresses, security groups, sessions, deletion."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localcloud.network import Network, namespaces
from tests.cloud.harness import Cloud, eventually
from tests.cloud.site import CLOSED, INSIDE, PUBLIC, Site


@pytest.fixture(scope="module")
def site(cloud: Cloud) -> Iterator[Site]:
    """A site with one machine that serves."""
    site = Site(cloud)
    site.create_group()
    site.serving()
    yield site
    site.delete_group()
    site.delete()
    eventually("the balancer's deletion", lambda: not spaces(cloud) and not proxies(cloud))


def spaces(cloud: Cloud) -> list[str]:
    """Return the namespaces of load balancers."""
    return [name for name in namespaces(cloud.place.name) if "-nlb-" in name]


def proxies(cloud: Cloud) -> list[int]:
    """Return the HAProxy processes of this cloud, masters and workers."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "cmdline").read_bytes().decode()
        except OSError:
            continue
        if told.startswith("haproxy") and str(cloud.place.run) in told:
            found.append(int(folder.name))
    return found


def test_the_name_resolves_to_an_address_in_each_subnet(site: Site) -> None:
    networks = {address.rsplit(".", 1)[0] for address in site.aws.resolve(site.host)}

    assert networks == {"10.77.16", "10.77.32"}


def test_every_address_reaches_the_machine_and_is_the_source_it_sees(site: Site) -> None:
    (instance,) = site.healthy()
    addresses = site.aws.resolve(site.host)

    dialled = {site.aws.dial(address, PUBLIC) for address in addresses}

    assert dialled == {"from 10.77.0.1"}
    assert site.page() == site.page_of(instance)
    log = site.cloud.on(instance, "journalctl -u web --no-pager --output=cat")
    sources = {line.split(" ")[0] for line in log.splitlines() if '"GET /' in line}
    assert sources <= set(addresses)
    assert sources


def test_its_security_group_is_enforced(site: Site) -> None:
    (instance,) = site.healthy()
    address = site.aws.resolve(site.host)[0]
    site.listen(CLOSED)
    eventually("the second listener", lambda: len(listening(site)) == 4)

    assert site.aws.dial(address, CLOSED) == "TimeoutError"
    machine = site.cloud.describe(instance)["PrivateIpAddress"]
    assert site.aws.dial(machine, INSIDE) == "TimeoutError"


def listening(site: Site) -> list[str]:
    """Return the sockets that listen in the balancer's namespace (/proc/net/tcp, state 0A)."""
    (pid, *_) = proxies(site.cloud)
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    return [line.split()[1] for line in lines if line.split()[3] == "0A"]


def test_a_proxy_that_dies_is_restarted(site: Site) -> None:
    for pid in proxies(site.cloud):
        os.kill(pid, signal.SIGKILL)

    eventually("the page", site.page)


@contextmanager
def cut_off(cloud: Cloud, ip: str) -> Iterator[None]:
    """Let all packets from and to an address vanish, as in a partition."""
    drops = f"ip saddr {ip} drop\nip daddr {ip} drop"
    hook = "type filter hook forward priority -10"
    network = Network(cloud.place.name)
    network.apply(f"table inet cut {{\nchain forwarded {{\n{hook}\n{drops}\n}}\n}}\n")
    try:
        yield
    finally:
        network.apply("delete table inet cut")


def test_a_black_hole_closes_connections_and_traffic_returns_when_it_ends(site: Site) -> None:
    (instance,) = site.healthy()
    address = site.cloud.describe(instance)["PrivateIpAddress"]
    with site.held_connection() as client, cut_off(site.cloud, address):
        assert client.stdout
        assert client.stdout.readline() == "closed\n"
        assert site.healthy() == []
        assert site.page() == ""

    assert site.serving() == instance
    assert site.page() == site.page_of(instance)


def test_a_connection_is_closed_when_its_machine_is_lost(site: Site) -> None:
    (instance,) = site.healthy()
    with site.held_connection() as client:
        site.lose_power(instance)

        assert client.stdout
        assert client.stdout.readline() == "closed\n"
    assert site.serving(but=instance)
