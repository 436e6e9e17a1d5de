"""Prometheus in an image that has the package: ours alone, and it takes our configuration."""

from typing import Any

from tests.image.conftest import Expected

WRITE = """
import dataclasses, json
from node.identity import Identity
from node.ray.prometheus import configuration
url = "https://aps-workspaces.us-east-1.amazonaws.com/workspaces/ws-1/api/v1/remote_write"
names = [field.name for field in dataclasses.fields(Identity)]
print(json.dumps(configuration(Identity(**dict.fromkeys(names, "x") | {"remote_write": url}))))
"""


def test_the_packages_own_unit_never_runs(machine: Any) -> None:
    assert machine.run("systemctl is-enabled prometheus.service").stdout.strip() == "masked"


def test_prometheus_takes_our_configuration(machine: Any, expected: Expected) -> None:
    asked = (expected.additions / "packages.txt").read_text().split()
    if not machine.file("/usr/bin/prometheus").exists:
        assert "prometheus" not in asked
        return
    machine.check_output(
        "cd /opt/raykiln && /opt/ray/bin/python -c %s > /run/prometheus.yml", WRITE
    )

    assert "SUCCESS" in machine.check_output("promtool check config /run/prometheus.yml")
