"""The status: it names the problems, and only the problems."""

from dataclasses import replace
from typing import Any

import pytest

from deploy.cluster.alarms import Alarm
from deploy.cluster.autoscaler_health import AutoscalerHealth, RefusedLaunch
from deploy.cluster.state import ClusterState
from deploy.operate.status_report import problems, status_report
from tests.unit.deploy.builders import a_desired_state, an_environment, serving


def test_a_healthy_cluster_has_no_problems() -> None:
    assert problems(an_environment(), serving(a_desired_state()), ()) == ()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"lease": None}, "no leader"),
        ({"group": None}, "0 of 1 heads in service"),
        ({"targets": ()}, "the load balancer does not reach the leader"),
        ({"release": None}, "no deploy has finished yet"),
    ],
)
def test_each_problem_is_named(changed: dict[str, object], words: str) -> None:
    state = replace(serving(a_desired_state()), **changed)  # type: ignore[arg-type]

    assert problems(an_environment(), state, ()) == (words,)


def test_missing_workers_are_counted() -> None:
    state = serving(a_desired_state())

    found = problems(an_environment(), replace(state, instances=state.heads), ())

    assert found == ("group worker: 0 of at least 1 workers",)


@pytest.mark.parametrize(
    ("state", "words"), [("ALARM", ("alarm no-leader",)), ("OK", ()), ("INSUFFICIENT_DATA", ())]
)
def test_an_alarm_in_alarm_is_a_problem(state: str, words: tuple[str, ...]) -> None:
    alarms = (Alarm("no-leader", state, "because"),)

    assert problems(an_environment(), serving(a_desired_state()), alarms) == words


def test_a_missing_stack_is_the_only_problem() -> None:
    assert problems(an_environment(), ClusterState(), ()) == ("the stack is not deployed",)


CAPACITY = "InsufficientInstanceCapacity"


def refused(seconds_ago: float) -> RefusedLaunch:
    return RefusedLaunch("gpu", "g5.xlarge", "spot", CAPACITY, "no room", seconds_ago)


@pytest.mark.parametrize(
    ("autoscaler", "words", "found"),
    [
        (AutoscalerHealth(True, 9, 4.0, ()), "working: newest round 4 s ago", ()),
        (
            AutoscalerHealth(None, 0, 9.0, ()),
            "starting: no round completed in 9 s",
            ("the autoscaler is starting: no round completed in 9 s",),
        ),
        (
            AutoscalerHealth(False, 9, 75.4, ()),
            "not working: no new round for 75 s",
            ("the autoscaler is not working: no new round for 75 s",),
        ),
        (
            AutoscalerHealth(True, 9, 4.0, (refused(12),)),
            "working: newest round 4 s ago",
            (f"EC2 refuses to launch gpu (g5.xlarge, spot) 12 s ago: {CAPACITY}: no room",),
        ),
        (AutoscalerHealth(True, 9, 4.0, (refused(600),)), "working: newest round 4 s ago", ()),
        ("not known: denied", "not known: denied", ()),
    ],
)
def test_the_autoscaler_is_shown_and_a_dead_one_is_a_problem(
    autoscaler: AutoscalerHealth | str, words: str, found: tuple[str, ...]
) -> None:
    report = status_report(an_environment(), serving(a_desired_state()), (), autoscaler=autoscaler)

    assert ("autoscaler", words) in report.sections()[0].rows
    assert report.problems == found
    assert report.as_json()["autoscaler"] == words


def test_a_refused_launch_is_shown_with_its_reason_however_old_it_is() -> None:
    health = AutoscalerHealth(True, 9, 4.0, (refused(600),))

    report = status_report(an_environment(), serving(a_desired_state()), (), autoscaler=health)

    (section,) = (one for one in report.sections() if one.title == "Refused launches")
    assert section.rows == (("gpu", "g5.xlarge", "spot", "600 s", f"{CAPACITY}: no room", "-"),)


@pytest.mark.parametrize(
    ("stands_by", "words"),
    [
        (True, ()),
        (None, ()),
        (False, ("no head stands by to take over from the leader: docs/runbooks/no-standby.md",)),
    ],
)
def test_a_cluster_whose_standby_is_silent_has_a_problem(
    stands_by: bool | None, words: tuple[str, ...]
) -> None:
    state = serving(a_desired_state())

    report = status_report(an_environment(), state, (), stands_by=stands_by)

    assert report.problems == words
    assert report.is_healthy is (not words)


def test_an_image_that_is_gone_is_a_problem() -> None:
    gone = ("the worker image ami-worker does not exist any more",)
    report = status_report(an_environment(), serving(a_desired_state()), (), missing=gone)

    assert (report.problems, report.is_healthy) == (gone, False)


def test_the_last_remediation_is_shown_if_there_was_one() -> None:
    quiet = status_report(an_environment(), serving(a_desired_state()), ())
    acted = status_report(
        an_environment(), serving(a_desired_state()), (), remediation="i-1 is replaced"
    )

    assert ("remediation", "i-1 is replaced") in acted.sections()[0].rows
    assert "remediation" not in [row[0] for row in quiet.sections()[0].rows]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "none"),
        ({"deployer": "ann@desk, for 3 min: deploy of b"}, "ann@desk, for 3 min: deploy of b"),
        (
            {"unfinished": "deploy of b by ann (20261122T000000Z-b)"},
            "none; left unfinished: deploy of b by ann (20261122T000000Z-b); "
            "`invoke deploy` continues it, `invoke rollback` restores the previous release",
        ),
    ],
)
def test_a_deploy_in_progress_is_shown_and_is_not_a_problem(
    changed: dict[str, Any], words: str
) -> None:
    report = status_report(an_environment(), serving(a_desired_state()), (), **changed)

    assert ("deploy in progress", words) in report.sections()[0].rows
    assert report.is_healthy
    assert report.as_json()["deployer"] == changed.get("deployer", "")
