"""An image answers to SSH and nothing else, and gives metadata only with a token."""

from typing import Any

DHCP_CLIENT = {"68", "546"}
WITHOUT_TOKEN = """
import urllib.error, urllib.request
try:
    print(urllib.request.urlopen("http://169.254.169.254/latest/meta-data/", timeout=5).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


def ports(machine: Any, kind: str) -> set[str]:
    """Return the ports that are open to other machines."""
    addresses = [line.split()[3] for line in machine.check_output(f"ss -Hln{kind}").splitlines()]
    outside = [a for a in addresses if not a.startswith(("127.", "[::1]"))]
    return {address.rpartition(":")[2] for address in outside}


def test_ssh_is_the_only_tcp_port_open(machine: Any) -> None:
    assert ports(machine, "t") == {"22"}


def test_no_udp_port_is_open_but_dhcps(machine: Any) -> None:
    assert ports(machine, "u") <= DHCP_CLIENT


def test_metadata_is_refused_without_a_token(machine: Any) -> None:
    assert machine.check_output("python3 -I -c %s", WITHOUT_TOKEN) == "401"
