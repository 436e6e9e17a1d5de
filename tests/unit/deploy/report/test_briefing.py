"""What a plan means: said in words, as data, and without asking more than is needed."""

import json
from dataclasses import replace
from typing import Any

import pytest

from deploy.cluster.ray_api import Actor, RunningJob, Unreachable
from deploy.cluster.state import ClusterState
from deploy.plan.desired_state import DesiredState
from deploy.plan.interruptions import NOTHING, Running
from deploy.plan.planner import plan_deploy
from deploy.release.release import Release, differences
from deploy.release.rollout_journal import Entry, Journal, RolloutStatus, begin_journal
from deploy.report.briefing import Briefing, brief, briefing_of, readable, stale_addresses
from deploy.rollout.prepare import Prepared
from deploy.rollout.rollout import Rollout
from tests.unit.deploy.builders import (
    NEW,
    UNCHANGED,
    a_release,
    a_wanted,
    an_image,
    serving,
)
from tests.unit.deploy.conftest import Cluster

BUSY = Running(jobs=(RunningJob("train-7", "id-head"),), actors=(Actor("1", "Trainer", "", "w0"),))


def a_briefing(
    release: Release | None = None,
    running: Running = BUSY,
    node_ids: frozenset[str] = frozenset(),
    journals: tuple[Journal, ...] = (),
    **environment: Any,
) -> Briefing:
    """Brief on the way from a cluster that serves to another release."""
    state = serving(a_wanted(**environment))
    desired = a_wanted(release, **environment)
    plan = plan_deploy(desired, state, UNCHANGED)
    return briefing_of(plan, desired, state, running, node_ids, journals)


def a_journal(took: float, verdict: RolloutStatus = "done") -> Journal:
    """Return one of a rollout whose hand-over took so long."""
    journal = begin_journal("dev", "deploy", from_release="", to_release="a", plan=(), now=0)
    steps = (
        ("hand-over", 100.0, 2.0),
        ("await-heads", 102.0, 3.0),
        ("await-endpoint", 105.0, took - 5),
    )
    for kind, began, seconds in steps:
        journal = journal.noted(Entry(kind, kind, began, seconds, "well"))
    return journal.closed(verdict, 200.0)


def test_a_hand_over_says_what_differs_what_ends_and_what_it_costs() -> None:
    found = a_briefing(a_release(head="ami-next", head_type="m6i.xlarge"), journals=(a_journal(9),))

    assert found.strategy == "head hand-over, with the same Ray; the workers stay"
    assert "head image: ami-head → ami-next" in found.differences
    assert "head type: m6i.large → m6i.xlarge" in found.differences
    assert found.interrupted == ("1 job ends: train-7", "1 actor ends: Trainer")
    assert found.without_head.words == "about 9 s, as the last hand-over took"
    (cost,) = found.cost
    assert cost.startswith("head: +$70 a month (m6i.large to m6i.xlarge, prices of ")


def test_what_is_stored_is_not_interrupted_unless_the_redis_is_another() -> None:
    def interrupted(before: str, after: str) -> tuple[str, ...]:
        heads = [
            {"instance_type": "m6i.large", "state": "redis", "redis": r} for r in (before, after)
        ]
        state, desired = (
            serving(a_wanted(head=heads[0])),
            a_wanted(a_release("ami-next"), head=heads[1]),
        )
        plan = plan_deploy(desired, state, UNCHANGED)
        return briefing_of(plan, desired, state, BUSY, frozenset({"id-head"}), ()).interrupted

    assert interrupted("one:6379", "one:6379") == ("1 job ends: train-7",)
    assert interrupted("one:6379", "two:6379") == ("1 job ends: train-7", "1 actor ends: Trainer")
    assert interrupted("an.one:6379", "one:6379")[1:] == ("1 actor ends: Trainer",)


def test_the_steps_come_last_and_exactly() -> None:
    found = a_briefing(a_release(head="ami-next"))

    steps = tuple(f"  {words}" for words in found.plan.words)
    assert found.words[-len(steps) - 1 :] == ("steps:", *steps)


def test_workers_alone_leave_the_head_and_end_what_is_on_them() -> None:
    found = a_briefing(
        a_release(worker="ami-next"), node_ids=frozenset({"w0"}), rollout={"drain_seconds": 60}
    )

    assert found.strategy == "workers only: the head stays"
    assert found.interrupted == ("1 actor ends unless done within 60 s: Trainer",)
    assert (found.without_head.words, found.without_head.seconds) == ("none", 0)
    assert found.cost == ("none",)


def test_what_is_on_no_stale_worker_is_not_interrupted() -> None:
    assert a_briefing(a_release(worker="ami-next")).interrupted == (NOTHING,)


def test_another_ray_is_named_with_both_versions() -> None:
    new = replace(
        a_release(),
        head=replace(an_image("ami-head2"), ray_version="2.61.0"),
        worker=replace(an_image("ami-worker2"), ray_version="2.61.0"),
    )

    found = a_briefing(new)

    assert found.strategy == "whole cluster, because the Ray versions differ: 2.60.0 → 2.61.0"
    assert found.interrupted == ("1 job ends: train-7", "1 actor ends: Trainer")


def test_other_limits_of_the_autoscaler_interrupt_nothing_and_cost_what_the_least_costs() -> None:
    found = a_briefing(a_release(workers_min=2))

    assert found.strategy.startswith("in place")
    assert found.interrupted == ()
    assert found.without_head.seconds == 0
    (cost,) = found.cost
    assert cost.startswith("workers, at least: +$72 a month (m6i.large to 2 m6i.large")


def test_nothing_to_change_is_one_line() -> None:
    assert a_briefing().words == ("dev: nothing to change",)


def test_a_first_deploy_interrupts_nothing_and_costs_all_of_it() -> None:
    desired = a_wanted()
    plan = plan_deploy(desired, ClusterState(), NEW)

    found = briefing_of(plan, desired, ClusterState(), Running(), frozenset(), ())

    assert found.strategy == "nothing serves yet: everything is made"
    assert (found.interrupted, found.without_head.seconds) == ((), None)
    assert [words.partition(" new,")[0] for words in found.cost] == [
        "head: +$72 a month (m6i.large",
        "workers, at least: +$72 a month (m6i.large",
    ]


@pytest.mark.parametrize(
    ("journals", "words"),
    [
        ((), "not known yet: no hand-over is on record here"),
        ((a_journal(9, "failed"),), "not known yet: no hand-over is on record here"),
        ((a_journal(9),), "about 9 s, as the last hand-over took"),
        (
            (a_journal(12), a_journal(30, "rolled back"), a_journal(9)),
            "about 12 s, as the last hand-over took; the last 2 took 9 to 12 s",
        ),
    ],
)
def test_the_time_without_a_head_is_taken_from_what_happened(
    journals: tuple[Journal, ...], words: str
) -> None:
    assert a_briefing(a_release(head="ami-next"), journals=journals).without_head.words == words


def test_a_head_that_ends_before_another_is_there_is_missed_for_longer() -> None:
    found = a_briefing(a_release(head="ami-next"), rollout={"launch": "after"})

    assert "as long as a new head takes to boot" in found.without_head.words
    assert found.without_head.seconds is None
    assert found.interrupted == ("1 job ends: train-7", "1 actor ends: Trainer")


def test_a_cluster_that_cannot_be_asked_is_said_not_to_be() -> None:
    (line,) = a_briefing(a_release(head="ami-next"), Running(unknown="nobody there")).interrupted

    assert line == "what runs now could not be asked, and may be interrupted: nobody there"


def test_it_is_plain_data_too() -> None:
    found = a_briefing(a_release(head="ami-next"), journals=(a_journal(9),))

    data = json.loads(json.dumps(found.as_json()))

    assert (data["manner"], data["without_head"]["seconds"]) == ("hand-over", 9)
    assert data["interrupted"] == list(found.interrupted)
    assert data["steps"][-1]["kind"] == "current"


@pytest.mark.parametrize("role", ["head", "worker"])
def test_differences_read_as_a_person_would_say_them(role: str) -> None:
    new = a_release(**{role: "ami-next"}, workers_min=2, tags=(("team", "ml"),))

    assert {readable(words) for words in differences(a_release(), new)} >= {
        f"{role} image: ami-{role} → ami-next",
        f"{role} image's content: digest of am → digest of am",
        "workers min: 1 → 2",
        "tag team: none → ml",
    }


def test_what_differs_outside_of_the_release_is_said_too() -> None:
    desired = a_wanted()
    state = serving(desired)
    stale = tuple(replace(i, content="other") if i.role == "worker" else i for i in state.instances)
    state = replace(state, instances=stale)
    plan = plan_deploy(desired, state, UNCHANGED)

    found = briefing_of(plan, desired, state, Running(), frozenset(), ())

    assert found.strategy == "workers only: the head stays"
    assert "nothing in the release" in found.differences[0]
    assert stale_addresses(plan, desired, state) == {"10.77.0.9"}


def asked(state: ClusterState, desired: DesiredState, cluster: Cluster) -> Briefing:
    """Brief on a cluster whose Ray does not answer."""

    def nobody() -> Any:
        raise Unreachable("nobody there")

    plan = plan_deploy(desired, state, UNCHANGED)
    rollout = Rollout(plan, desired, cluster.clients, cluster.clock, lambda progress: "", nobody)
    return brief(Prepared(rollout, (), state))


def test_ray_and_the_journals_are_asked_only_where_something_would_end(cluster: Cluster) -> None:
    state = serving(a_wanted())
    before = cluster.clients.calls

    assert asked(state, a_wanted(), cluster).plan.is_empty
    assert asked(state, a_wanted(a_release(workers_min=2)), cluster).interrupted == ()
    assert cluster.clients.calls == before
    workers = asked(state, a_wanted(a_release(worker="ami-next")), cluster)

    assert "nobody there" in workers.interrupted[0]
    assert "worker: not known" in workers.software[0].words[0]
    assert cluster.clients.calls == before + 1  # what is in the images
    head = asked(state, a_wanted(a_release(head="ami-next")), cluster)
    assert "nobody there" in head.interrupted[0]
    assert head.without_head.seconds is None
