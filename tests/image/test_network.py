"""An image answers to SSH and what the base image does, and gives metadata only with a token."""

from typing import Any

WITHOUT_TOKEN = """
import urllib.error, urllib.request
try:
    print(urllib.request.urlopen("http://169.254.169.254/latest/meta-data/", timeout=5).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


def test_no_port_is_open_but_those_of_the_base_image(
    facts: dict[str, Any], base: dict[str, Any]
) -> None:
    assert "tcp/22" in facts["open_ports"]
    assert facts["open_ports"] == base["open_ports"]


def test_metadata_is_refused_without_a_token(machine: Any) -> None:
    assert machine.check_output("python3 -I -c %s", WITHOUT_TOKEN) == "401"
