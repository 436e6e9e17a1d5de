"""What is enabled in an image: what the base image had enabled, and the units of the role."""

from typing import Any

from tests.image.conftest import Expected

SSM_AGENT = {"amazon-ssm-agent.service", "snap.amazon-ssm-agent.amazon-ssm-agent.service"}


def test_beside_the_bases_units_exactly_the_roles_are_enabled(
    facts: dict[str, Any], base: dict[str, Any], expected: Expected
) -> None:
    enabled = set(facts["enabled_units"]) - SSM_AGENT
    before = set(base["enabled_units"]) - SSM_AGENT

    assert enabled == (before - expected.masked) | expected.units


def test_the_ssm_agent_is_enabled_where_it_is_required(
    facts: dict[str, Any], expected: Expected
) -> None:
    assert not expected.ssm_agent or SSM_AGENT & set(facts["enabled_units"])


def test_exactly_our_units_were_added(machine: Any, expected: Expected) -> None:
    ours = {path.name for path in (expected.source / "systemd").iterdir()}
    found = machine.check_output("find /etc/systemd/system -maxdepth 1 -type f -name 'ray*'")

    assert {line.rpartition("/")[2] for line in found.splitlines()} == ours


def test_no_unit_can_start_that_a_node_must_not_run(machine: Any, expected: Expected) -> None:
    for unit in expected.masked:
        assert machine.run("systemctl is-enabled %s", unit).stdout.strip() == "masked", unit


def test_no_unit_fails_but_those_that_fail_in_the_base_image(
    facts: dict[str, Any], base: dict[str, Any]
) -> None:
    assert sorted(set(facts["failed_units"]) - set(base["failed_units"])) == []


def test_the_machine_has_finished_booting(machine: Any, facts: dict[str, Any]) -> None:
    state = machine.run("systemctl is-system-running").stdout.strip()

    assert state == ("degraded" if facts["failed_units"] else "running")


def test_without_user_data_no_ray_service_runs(machine: Any) -> None:
    running = machine.check_output("systemctl list-units 'ray*' --plain --no-legend --state=active")

    assert running == ""
