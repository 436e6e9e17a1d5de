"""What a rollout interrupts: a hand-over everything, a terminated node what runs on it."""

from collections.abc import Iterator

import pytest

from deploy.cluster.ray_api import Actor, PlacementGroup, RayApi, RunningJob
from deploy.plan.interruptions import NOTHING, Running, interrupted_by, what_runs
from tests.unit.deploy.ray_stub import RayStub, serving


@pytest.fixture
def ray() -> Iterator[RayStub]:
    with serving(RayStub()) as stub:
        yield stub


@pytest.fixture
def busy(ray: RayStub) -> RayStub:
    """A cluster that runs work on a head and two workers."""
    ray.add_job("train-7")
    ray.add_job("index", node="id-w1")
    ray.add_driver("04000000")
    ray.add_actor("Trainer", "id-w1")
    ray.add_actor("Trainer", "id-w2")
    ray.add_actor("Counter", "id-head", name="hits")
    ray.add_placement_group("replicas", "id-w2", "id-w1", "id-w2")
    return ray


def test_reads_what_runs_and_on_which_node(busy: RayStub) -> None:
    running = what_runs(busy.api())

    assert running.jobs == (
        RunningJob("train-7", "id-head"),
        RunningJob("index", "id-w1"),
        RunningJob("04000000", ""),
    )
    assert [(actor.words, actor.node_id) for actor in running.actors] == [
        ("Trainer", "id-w1"),
        ("Trainer", "id-w2"),
        ("Counter hits", "id-head"),
    ]
    [group] = running.placement_groups
    assert (group.words, group.node_ids) == ("replicas", ("id-w1", "id-w2"))
    assert running.unknown == ""


def test_what_has_ended_or_not_started_does_not_run(ray: RayStub) -> None:
    for status in ("SUCCEEDED", "FAILED", "STOPPED"):
        ray.add_job(status, status=status)
    for state in ("DEAD", "RESTARTING", "PENDING_CREATION"):
        ray.add_actor("Trainer", "id-w1", state=state)
    ray.add_placement_group("gone", "id-w1", state="REMOVED")
    ray.add_job("queued", status="PENDING")

    assert what_runs(ray.api()) == Running(jobs=(RunningJob("queued", "id-head"),))


def test_the_supervisor_actor_of_a_job_is_not_listed(ray: RayStub) -> None:
    ray.add_actor("JobSupervisor", "id-head", space="SUPERVISOR_ACTOR_RAY_NAMESPACE")

    assert what_runs(ray.api()).actors == ()


def test_lists_more_than_a_hundred_actors(ray: RayStub) -> None:
    for _ in range(250):
        ray.add_actor("Trainer", "id-w1")

    lines = interrupted_by(what_runs(ray.api()), "hand-over")

    assert lines == ("250 actors end: 250 Trainer",)


def test_with_stored_state_a_hand_over_ends_what_runs_on_the_head(busy: RayStub) -> None:
    assert interrupted_by(what_runs(busy.api()), "kept", ["id-head"]) == (
        "2 jobs end: train-7, 04000000",
        "1 actor ends: Counter hits",
    )


def test_a_hand_over_ends_everything(busy: RayStub) -> None:
    assert interrupted_by(what_runs(busy.api()), "hand-over") == (
        "3 jobs end: train-7, index, 04000000",
        "3 actors end: 2 Trainer, Counter hits",
        "1 placement group ends: replicas",
    )


def test_a_drained_worker_ends_what_runs_on_it_past_the_deadline(busy: RayStub) -> None:
    running = what_runs(busy.api())

    assert interrupted_by(running, "workers", ["id-w2"], deadline_seconds=300) == (
        "1 actor ends unless done within 300 s: Trainer",
        "1 placement group ends unless done within 300 s: replicas",
    )
    assert (
        interrupted_by(running, "workers", {"id-w1"})[0] == "1 job ends unless done in time: index"
    )
    assert interrupted_by(running, "workers", ["id-w3"]) == (NOTHING,)
    assert interrupted_by(running, "workers", []) == (NOTHING,)


def test_nothing_is_interrupted_on_an_idle_cluster(ray: RayStub) -> None:
    assert interrupted_by(what_runs(ray.api()), "hand-over") == (NOTHING,)


def test_shows_no_entrypoint_since_it_may_hold_secrets(busy: RayStub) -> None:
    assert "secret" not in repr(what_runs(busy.api()))


def test_many_names_are_limited_and_counted() -> None:
    actors = tuple(Actor(str(n), f"Class{n}", "", "id-w1") for n in range(12))

    [line] = interrupted_by(Running(actors=actors), "hand-over")

    assert line == "12 actors end: Class0, Class1, Class2, Class3, Class4 and 7 more"


def test_a_placement_group_without_a_name_is_shown_by_its_id() -> None:
    group = PlacementGroup("1f2700170d76707ffe30f491ab6501000000", "", ("id-w1",))

    [line] = interrupted_by(Running(placement_groups=(group,)), "hand-over")

    assert line == "1 placement group ends: 1f2700170d76"


@pytest.mark.parametrize("kind", ["hand-over", "workers"])
def test_says_that_ray_does_not_answer(kind: str) -> None:
    running = what_runs(RayApi("127.0.0.1", "x", port=1))

    [line] = interrupted_by(running, kind, ["id-w1"])  # type: ignore[arg-type]

    assert line.startswith("Ray did not say what runs now; all of it may be interrupted: http://")
    assert "refused" in line


def test_a_refused_token_does_not_fail_the_plan(ray: RayStub) -> None:
    assert "refuses the token" in what_runs(ray.api(token="another")).unknown


def test_an_unknown_answer_does_not_fail_the_plan(ray: RayStub) -> None:
    ray.job_rows.append({"id": "7"})

    assert "does not answer as Ray does" in what_runs(ray.api()).unknown
