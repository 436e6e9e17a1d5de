"""What a plan means: in words, as data, and with no more requests than needed."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from deploy.cluster.ray_api import Actor, RunningJob, Unreachable
from deploy.cluster.state import ClusterState
from deploy.plan.desired_state import DesiredState
from deploy.plan.interruptions import NOTHING, Running
from deploy.plan.planner import plan_deploy
from deploy.release.release import Release
from deploy.release.rollout_journal import Entry, Journal, RolloutStatus, begin_journal
from deploy.release.settings import Group, Volume
from deploy.report.briefing import Briefing, brief, briefing_of
from deploy.report.replaced import replaced_addresses
from deploy.rollout.prepare import Prepared
from deploy.rollout.rollout import Rollout
from tests.unit.deploy.builders import (
    NEW,
    UNCHANGED,
    a_desired_state,
    a_group,
    a_release,
    an_image,
    serving,
)
from tests.unit.deploy.conftest import Cluster

BUSY = Running(jobs=(RunningJob("train-7", "id-head"),), actors=(Actor("1", "Trainer", "", "w0"),))


NO_NODES: Mapping[str, frozenset[str]] = {}


def a_briefing(
    release: Release | None = None,
    running: Running = BUSY,
    node_ids: Mapping[str, frozenset[str]] = NO_NODES,
    journals: tuple[Journal, ...] = (),
    **environment: Any,
) -> Briefing:
    """Return the briefing on a deploy of a release to a cluster that serves."""
    state = serving(a_desired_state(**environment))
    desired = a_desired_state(release, **environment)
    plan = plan_deploy(desired, state, UNCHANGED)
    return briefing_of(plan, desired, state, running, node_ids, journals)


def a_journal(took: float, verdict: RolloutStatus = "done") -> Journal:
    """Return the journal of a rollout whose hand-over took ``took`` seconds."""
    journal = begin_journal("dev", "deploy", from_release="", to_release="a", plan=(), now=0)
    steps = (
        ("hand-over", 100.0, 2.0),
        ("await-heads", 102.0, 3.0),
        ("await-endpoint", 105.0, took - 5),
    )
    for kind, began, seconds in steps:
        journal = journal.noted(Entry(kind, kind, began, seconds, "done"))
    return journal.closed(verdict, 200.0)


def test_a_hand_over_names_differences_interruptions_and_cost() -> None:
    found = a_briefing(a_release(head="ami-next", head_type="m6i.xlarge"), journals=(a_journal(9),))

    assert found.strategy == "head hand-over, with the same Ray; the workers stay"
    assert "head image: ami-head → ami-next" in found.differences
    assert "head type: m6i.large → m6i.xlarge" in found.differences
    assert found.interrupted == ("1 job ends: train-7", "1 actor ends: Trainer")
    assert found.without_head.words == "about 9 s, as the last hand-over took"
    (cost,) = found.cost
    assert cost.startswith("head: +$70 a month (m6i.large to m6i.xlarge, prices of ")


def test_stored_state_survives_only_with_the_same_redis() -> None:
    def interrupted(before: str, after: str) -> tuple[str, ...]:
        heads = [
            {"instance_type": "m6i.large", "state": "redis", "redis": r} for r in (before, after)
        ]
        state, desired = (
            serving(a_desired_state(head=heads[0])),
            a_desired_state(a_release("ami-next"), head=heads[1]),
        )
        plan = plan_deploy(desired, state, UNCHANGED)
        return briefing_of(
            plan, desired, state, BUSY, {"head": frozenset({"id-head"})}, ()
        ).interrupted

    assert interrupted("one:6379", "one:6379") == ("1 job ends: train-7",)
    assert interrupted("one:6379", "two:6379") == ("1 job ends: train-7", "1 actor ends: Trainer")
    assert interrupted("an.one:6379", "one:6379")[1:] == ("1 actor ends: Trainer",)


def test_the_exact_steps_come_last() -> None:
    found = a_briefing(a_release(head="ami-next"))

    steps = tuple(f"  {words}" for words in found.plan.words)
    assert found.words[-len(steps) - 1 :] == ("steps:", *steps)


def test_workers_only_keeps_the_head_and_ends_what_runs_on_them() -> None:
    found = a_briefing(
        a_release(worker="ami-next"),
        node_ids={"worker": frozenset({"w0"})},
        rollout={"drain_seconds": 60},
    )

    assert found.strategy == "workers only: the head stays"
    assert found.interrupted == ("1 actor ends unless done within 60 s: Trainer",)
    assert (found.without_head.words, found.without_head.seconds) == ("none", 0)
    assert found.cost == ("none",)


def test_what_runs_on_no_stale_worker_is_not_interrupted() -> None:
    assert a_briefing(a_release(worker="ami-next")).interrupted == (NOTHING,)


def test_names_both_versions_of_ray() -> None:
    new = replace(
        a_release(worker="ami-worker2"),
        head=replace(an_image("ami-head2"), ray_version="2.61.0"),
    )

    found = a_briefing(new)

    assert found.strategy == "replace-all, because the Ray versions differ: 2.60.0 → 2.61.0"
    assert found.interrupted == ("1 job ends: train-7", "1 actor ends: Trainer")


def test_changed_limits_interrupt_nothing_and_cost_as_much_as_the_minimum() -> None:
    found = a_briefing(a_release(groups=(a_group(min=2),)))

    assert found.strategy.startswith("in place")
    assert found.interrupted == ()
    assert found.without_head.seconds == 0
    (cost,) = found.cost
    assert cost.startswith("group worker, minimum: +$72 a month (m6i.large to 2 m6i.large")


def test_an_empty_plan_is_one_line() -> None:
    assert a_briefing().words == ("dev: nothing to change",)


def test_an_initial_deploy_interrupts_nothing_and_costs_everything() -> None:
    desired = a_desired_state()
    plan = plan_deploy(desired, ClusterState(), NEW)

    found = briefing_of(plan, desired, ClusterState(), Running(), {}, ())

    assert found.strategy == "initial: no head serves yet, what is missing is created"
    assert (found.interrupted, found.without_head.seconds) == ((), None)
    assert [words.partition(" new,")[0] for words in found.cost] == [
        "head: +$72 a month (m6i.large",
        "group worker, minimum: +$72 a month (m6i.large",
        "group worker, maximum: +$215 a month (3 m6i.large",
    ]


@pytest.mark.parametrize(
    ("journals", "words"),
    [
        ((), "unknown: no hand-over is recorded here yet"),
        ((a_journal(9, "failed"),), "unknown: no hand-over is recorded here yet"),
        ((a_journal(9),), "about 9 s, as the last hand-over took"),
        (
            (a_journal(12), a_journal(30, "rolled back"), a_journal(9)),
            "about 12 s, as the last hand-over took; the last 2 took 9 to 12 s",
        ),
    ],
)
def test_the_time_without_a_head_comes_from_journals(
    journals: tuple[Journal, ...], words: str
) -> None:
    assert a_briefing(a_release(head="ami-next"), journals=journals).without_head.words == words


def test_with_launch_after_the_time_without_a_head_is_a_boot() -> None:
    found = a_briefing(a_release(head="ami-next"), rollout={"launch": "after"})

    assert "as long as a new head takes to boot" in found.without_head.words
    assert found.without_head.seconds is None
    assert found.interrupted == ("1 job ends: train-7", "1 actor ends: Trainer")


def test_says_that_ray_could_not_be_asked() -> None:
    (line,) = a_briefing(a_release(head="ami-next"), Running(unknown="no answer")).interrupted

    assert line == "Ray did not say what runs now; all of it may be interrupted: no answer"


def test_a_briefing_is_json_too() -> None:
    found = a_briefing(a_release(head="ami-next"), journals=(a_journal(9),))

    data = json.loads(json.dumps(found.as_json()))

    assert data["strategy"] == "hand-over"
    assert data["without_head"] == {
        "words": "about 9 s, as the last hand-over took",
        "seconds": 9,
    }
    assert data["interrupted"] == list(found.interrupted)
    assert data["steps"][-1]["kind"] == "current"
    assert data["cost"] == list(found.cost)
    assert data.keys() - found.plan.as_json().keys() == {
        *("strategy_words", "groups", "software", "interrupted", "without_head", "cost", "images"),
    }


def test_names_differences_outside_the_release() -> None:
    desired = a_desired_state()
    state = serving(desired)
    stale = tuple(replace(i, content="other") if i.role == "worker" else i for i in state.instances)
    state = replace(state, instances=stale)
    plan = plan_deploy(desired, state, UNCHANGED)

    found = briefing_of(plan, desired, state, Running(), {}, ())

    assert found.strategy == "workers only: the head stays"
    assert "not the release" in found.differences[0]
    assert replaced_addresses(plan, desired, state) == {"worker": {"10.77.0.9"}}
    assert found.groups == ("worker: 1 of 1 worker replaced",)


CPU, GPU, OLD = (a_group(name=name, min=2) for name in ("cpu", "gpu", "old"))


def a_change_of_groups(*groups: Group, busy: Running = BUSY) -> Briefing:
    """Return the briefing on a deploy of these groups to a cluster that has CPU, GPU and OLD."""
    before = a_desired_state(a_release(groups=(CPU, GPU, OLD)))
    state, desired = serving(before), a_desired_state(a_release(groups=groups))
    plan = plan_deploy(desired, state, UNCHANGED)
    nodes = {"cpu": frozenset({"w0"}), "gpu": frozenset({"w1"})}
    return briefing_of(plan, desired, state, busy, nodes, ())


def test_says_which_groups_are_rolled_and_what_that_interrupts_in_each() -> None:
    found = a_change_of_groups(
        replace(CPU, labels=(("team", "ml"),)), replace(GPU, volume=Volume(40)), OLD
    )

    assert found.strategy == "workers only: the head stays"
    assert found.groups == (
        "cpu: 2 of 2 workers replaced",
        "gpu: 2 of 2 workers replaced",
        "old: 2 workers, none replaced",
    )
    assert found.interrupted == (
        "cpu: 1 actor ends unless done within 300 s: Trainer",
        f"gpu: {NOTHING}",
    )
    assert found.as_json()["groups"] == list(found.groups)


def test_says_which_groups_come_and_go() -> None:
    assert a_change_of_groups(CPU, GPU, a_group(name="new")).groups == (
        "cpu: 2 workers, none replaced",
        "gpu: 2 workers, none replaced",
        "new: new",
        "old: removed; 2 workers drained first",
    )


def test_other_limits_of_a_group_replace_none_of_its_workers() -> None:
    assert a_change_of_groups(replace(CPU, max=9), GPU, OLD).groups == ()


def briefing_without_ray(state: ClusterState, desired: DesiredState, cluster: Cluster) -> Briefing:
    """Return the briefing on a cluster whose Ray does not answer."""

    def unreachable() -> Any:
        raise Unreachable("no answer")

    plan = plan_deploy(desired, state, UNCHANGED)
    rollout = Rollout(
        plan, desired, cluster.clients, cluster.clock, lambda progress: "", unreachable
    )
    return brief(Prepared(rollout, (), state))


def test_reads_ray_and_journals_only_if_something_would_be_interrupted(cluster: Cluster) -> None:
    state = serving(a_desired_state())
    before = cluster.clients.calls

    assert briefing_without_ray(state, a_desired_state(), cluster).plan.is_empty
    assert (
        briefing_without_ray(
            state, a_desired_state(a_release(groups=(a_group(min=2),))), cluster
        ).interrupted
        == ()
    )
    assert cluster.clients.calls == before + 1  # where the images came from
    workers = briefing_without_ray(state, a_desired_state(a_release(worker="ami-next")), cluster)

    assert "no answer" in workers.interrupted[0]
    assert "worker: not known" in workers.software[0].words[0]
    assert cluster.clients.calls == before + 3  # what is in the images, and where they came from
    head = briefing_without_ray(state, a_desired_state(a_release(head="ami-next")), cluster)
    assert "no answer" in head.interrupted[0]
    assert head.without_head.seconds is None
