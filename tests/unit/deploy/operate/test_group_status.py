"""A line for each group: how many workers, of which type and market, and what is wrong."""

from dataclasses import replace
from typing import Any

from deploy.cluster.autoscaler_health import AutoscalerHealth, RefusedLaunch
from deploy.cluster.instances import Instance
from deploy.cluster.state import ClusterState
from deploy.operate.group_status import group_statuses, strangers
from deploy.operate.status_report import status_report
from tests.unit.deploy.builders import (
    a_desired_state,
    a_group,
    a_release,
    an_environment,
    an_instance,
    serving,
)

CPU = a_group(name="cpu", min=2, max=5)
GPU = a_group(
    name="gpu",
    instance_types=("g6.xlarge", "g5.xlarge"),
    markets=("spot", "on-demand"),
    min=0,
    max=8,
)
RELEASE = a_release(groups=(CPU, GPU))


def a_worker(cluster: ClusterState, name: str, group: str, **changes: Any) -> Instance:
    """Return a worker of a group's newest version, but for these changes."""
    template = cluster.worker_template(an_environment().worker_template_of(group))
    assert template is not None
    content = template.versions[0].content.digest
    return replace(an_instance(name, "worker", content, group=group), **changes)


def a_state(*workers: tuple[str, str, dict[str, Any]]) -> ClusterState:
    """Return a cluster with two workers of the group cpu, and these."""
    state = serving(a_desired_state(RELEASE))
    added = tuple(a_worker(state, name, group, **changes) for name, group, changes in workers)
    return replace(state, instances=(*state.instances, *added))


def test_counts_states_types_and_markets_of_each_group() -> None:
    state = a_state(
        ("i-1", "gpu", {"type": "g6.xlarge", "market": "spot"}),
        ("i-2", "gpu", {"type": "g5.xlarge", "market": "on-demand"}),
        ("i-3", "gpu", {"type": "g6.xlarge", "market": "spot", "state": "pending"}),
        ("i-4", "gpu", {"type": "g6.xlarge", "market": "spot", "state": "shutting-down"}),
    )

    cpu, gpu = group_statuses(an_environment(), state)

    assert cpu.row == {
        "group": "cpu",
        "running": "2 of 2 to 5",
        "starting": "0",
        "leaving": "0",
        "stale": "0",
        "now": "2 m6i.large",
        "markets": "2 on-demand",
        "launches": "m6i.large",
        "refused": "-",
    }
    assert gpu.row == {
        "group": "gpu",
        "running": "2 of 0 to 8",
        "starting": "1",
        "leaving": "1",
        "stale": "0",
        "now": "1 g5.xlarge, 2 g6.xlarge",
        "markets": "1 on-demand, 2 spot",
        "launches": "g6.xlarge or g5.xlarge, spot or on-demand",
        "refused": "-",
    }


def test_a_worker_of_another_version_type_or_market_is_stale() -> None:
    state = a_state(
        ("i-1", "gpu", {"type": "g6.xlarge", "market": "spot", "content": "before"}),
        ("i-2", "gpu", {"type": "g4dn.xlarge", "market": "spot"}),
        ("i-3", "cpu", {"market": "spot"}),
        ("i-4", "cpu", {"content": "before", "state": "shutting-down"}),
    )

    assert [group.stale for group in group_statuses(an_environment(), state)] == [1, 2]


def test_the_newest_refused_launch_of_a_group_is_on_its_line() -> None:
    refused = RefusedLaunch("gpu", "g6.xlarge", "spot", "MaxSpotInstanceCountExceeded", "no", 12.0)

    cpu, gpu = group_statuses(an_environment(), a_state(), [refused])

    assert cpu.refused == ""
    assert gpu.refused == "g6.xlarge, spot, 12 s ago: MaxSpotInstanceCountExceeded"


def test_a_group_below_its_minimum_is_a_problem_of_that_group() -> None:
    state = serving(a_desired_state(RELEASE))
    workers = [one for one in state.instances if one.id != "i-cpu1"]

    report = status_report(an_environment(), replace(state, instances=tuple(workers)), ())

    assert report.problems == ("group cpu: 1 of at least 2 workers",)


def test_workers_of_another_group_do_not_make_up_for_those_that_are_missing() -> None:
    state = a_state(("i-1", "gpu", {"type": "g6.xlarge"}), ("i-2", "gpu", {"type": "g6.xlarge"}))
    left = tuple(one for one in state.instances if one.group != "cpu")

    report = status_report(an_environment(), replace(state, instances=left), ())

    assert report.problems == ("group cpu: 0 of at least 2 workers",)


def test_a_worker_of_no_group_is_a_problem_until_it_is_gone() -> None:
    state = serving(a_desired_state(RELEASE))
    old = an_instance("i-9", "worker", group="old")

    found = strangers(replace(state, instances=(*state.instances, old)))

    assert found == ("i-9 is of old, which is no group of the release",)
    gone = replace(old, state="shutting-down")
    assert strangers(replace(state, instances=(*state.instances, gone))) == ()


def test_a_removed_group_is_shown_until_it_is_empty_and_is_no_problem() -> None:
    state = a_state(("i-1", "gpu", {"state": "shutting-down"}))
    left = tuple(one for one in state.instances if one.id != "i-cpu1")
    old = replace(an_instance("i-9", "worker", group="old"), type="m5.large")
    state = replace(state, instances=(*left, old))

    report = status_report(an_environment(), state, (), removed=("cpu", "old"))

    assert report.problems == ()
    cpu, gpu, stranger = (group.row for group in report.groups)
    assert cpu["running"] == "1 removed"
    assert gpu["running"] == "0 of 0 to 8"
    assert stranger == {
        "group": "old",
        "running": "1 removed",
        "starting": "0",
        "leaving": "0",
        "stale": "1",
        "now": "1 m5.large",
        "markets": "1 on-demand",
        "launches": "-",
        "refused": "-",
    }


def test_groups_are_a_table_and_data() -> None:
    health = AutoscalerHealth(True, 9, 4.0, ())
    report = status_report(an_environment(), a_state(), (), autoscaler=health)

    (section,) = (one for one in report.sections() if one.title == "Groups")
    assert [row[:2] for row in section.rows] == [("cpu", "2 of 2 to 5"), ("gpu", "0 of 0 to 8")]
    (cpu, gpu) = report.as_json()["groups"]
    assert cpu == {
        "name": "cpu",
        "min": 2,
        "max": 5,
        "launches": "m6i.large",
        "running": 2,
        "starting": 0,
        "leaving": 0,
        "types": {"m6i.large": 2},
        "markets": {"on-demand": 2},
        "stale": 0,
        "refused": "",
        "removed": False,
    }
    assert gpu["running"] == 0


def test_before_the_first_deploy_there_are_no_groups() -> None:
    assert group_statuses(an_environment(), ClusterState()) == ()
    assert strangers(ClusterState()) == ()
