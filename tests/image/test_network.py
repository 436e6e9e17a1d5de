"""An image answers to SSH and what the base image does, and gives metadata only with a token."""

from typing import Any

from tests.image.conftest import Expected

WITHOUT_TOKEN = """
import urllib.error, urllib.request
try:
    print(urllib.request.urlopen("http://169.254.169.254/latest/meta-data/", timeout=5).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


def test_no_port_is_open_but_those_of_the_base_image_and_of_a_persons_own_services(
    facts: dict[str, Any], base: dict[str, Any], plain: dict[str, Any], expected: Expected
) -> None:
    theirs = {port for port, unit in facts["port_units"].items() if unit in expected.added_units}
    found = set(facts["open_ports"])

    assert "tcp/22" in found
    assert found - set(base["open_ports"]) - theirs == set()
    assert set(plain["open_ports"]) - found == set()


def test_where_heads_rules_are_loaded_jobs_get_nothing_from_the_metadata_service(
    machine: Any,
) -> None:
    ask = "setpriv --reuid=%s --regid=ray --clear-groups python3 -I -c %s"
    machine.check_output("nft -f /etc/raykiln/metadata.nft")
    try:
        assert machine.check_output(ask, "ray-autoscaler", WITHOUT_TOKEN) == "401"
        assert "Connection refused" in machine.run(ask, "ray", WITHOUT_TOKEN).stderr
    finally:
        machine.check_output("nft delete table inet raykiln")
    assert machine.check_output(ask, "ray", WITHOUT_TOKEN) == "401"


def test_metadata_is_refused_without_a_token(machine: Any) -> None:
    assert machine.check_output("python3 -I -c %s", WITHOUT_TOKEN) == "401"
