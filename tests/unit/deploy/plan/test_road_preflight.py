"""Will a deploy from this machine reach the cluster? Found before anything is created."""

import socket
from pathlib import Path
from typing import Any

import pytest

from common.environment import Environment
from deploy.plan import road_preflight
from deploy.plan.road_preflight import road_findings
from tests.unit.deploy.builders import an_environment
from tests.unit.deploy.reach.plugins import install_plugin

SOME: Any = object()
EXISTING = {
    "vpc_id": "vpc-0a1b2c3d4e5f60718",
    "private_subnet_ids": ["subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"],
    "operator_cidrs": ["10.0.0.0/8"],
}
MISSING = "this machine has no line into the VPC, and `session-manager-plugin` is not installed"


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH, on a machine outside of every VPC."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def found(environment: Environment, foundation: Any = None) -> list[tuple[bool, str]]:
    findings = road_findings(environment, foundation)
    assert all("install-plugin.html" in finding.hint for finding in findings)
    return [(finding.fatal, finding.words) for finding in findings]


def test_a_new_vpc_needs_the_plugin(tools: Path) -> None:
    assert found(an_environment()) == [(True, MISSING)]

    install_plugin(tools)
    assert found(an_environment()) == []


def test_a_plugin_that_is_too_old_is_named(tools: Path) -> None:
    install_plugin(tools, version="1.2.463.0")

    [(fatal, words)] = found(an_environment())

    assert fatal
    assert words.endswith("is 1.2.463.0; 1.2.764.0 or later is needed")


def test_in_a_vpc_that_exists_it_is_a_warning(tools: Path) -> None:
    assert found(an_environment(network=EXISTING)) == [(False, MISSING)]
    assert found(an_environment(), SOME) == [(False, MISSING)]


def test_a_machine_that_connects_needs_no_plugin(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(road_preflight, "DASHBOARD_PORT", server.getsockname()[1])

        # A name that resolves everywhere, though it is in no private zone.
        local = an_environment().model_copy(update={"head_dns": "localhost"})
        assert found(local) == []
