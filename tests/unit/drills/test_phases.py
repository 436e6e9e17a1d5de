"""Phases are told from looks alone, and never earlier than a client could have known."""

from drills.kit.client import Sample, longest_gap
from drills.kit.phases import (
    ANSWERS,
    BACK,
    JOB,
    LET_GO,
    LOST,
    TAKEN,
    Before,
    LeaseLook,
    NodesLook,
    Recovery,
    Seen,
    phases,
)

OLD, NEW, ONE, TWO, AGAIN = "10.0.0.1", "10.0.0.2", "node-1", "node-2", "node-3"
WHOLE = Before(
    epoch=4,
    leader="i-old",
    heads=("i-old",),
    workers={"i-1": "10.0.0.11", "i-2": "10.0.0.12"},
    nodes=frozenset({ONE, TWO}),
)
BEGAN = 100.0


def a_lease(at: float, address: str = OLD, epoch: int = 4, released: bool = False) -> LeaseLook:
    return LeaseLook(at, "i-new" if address == NEW else "i-old", address, epoch, released)


def some_nodes(at: float, head: str, *workers: str) -> NodesLook:
    return NodesLook(at, frozenset({head}), frozenset(workers))


def test_a_head_that_is_lost_comes_back_in_five_phases() -> None:
    seen = Seen(
        [a_lease(99), a_lease(101, released=True), a_lease(110, NEW, 5)],
        [some_nodes(99, OLD, ONE, TWO), some_nodes(115, NEW, ONE), some_nodes(118, NEW, ONE, TWO)],
        [Sample(99.0, 99.1, True), Sample(105, 106, False), Sample(116, 116.5, True)],
    )

    found = phases(Recovery.HEAD, WHOLE, BEGAN, seen)

    assert found == {LET_GO: 1, TAKEN: 10, ANSWERS: 15, BACK: 18, JOB: 16.5}


def test_a_lease_that_lapses_is_let_go_when_another_takes_it() -> None:
    seen = Seen([a_lease(105), a_lease(112, NEW, 5)])

    assert phases(Recovery.HEAD, WHOLE, BEGAN, seen) == {LET_GO: 12, TAKEN: 12}


def test_what_the_old_head_still_answers_is_no_recovery() -> None:
    seen = Seen([a_lease(101)], [some_nodes(102, OLD, ONE, TWO)], [Sample(101, 102, True)])

    assert phases(Recovery.HEAD, WHOLE, BEGAN, seen) == {}


def test_a_head_that_dies_before_its_ray_is_up_does_not_count() -> None:
    seen = Seen(
        [a_lease(105, "10.0.0.9", 5), a_lease(120, NEW, 6)],
        [some_nodes(125, NEW, ONE, TWO)],
    )

    assert phases(Recovery.HEAD, WHOLE, BEGAN, seen)[ANSWERS] == 25


def test_workers_are_back_only_after_their_loss_was_seen() -> None:
    whole = some_nodes(101, OLD, ONE, TWO)
    assert phases(Recovery.WORKERS, WHOLE, BEGAN, Seen([], [whole])) == {}

    lost, back = some_nodes(103, OLD, TWO), some_nodes(109, OLD, AGAIN, TWO)

    found = phases(Recovery.WORKERS, WHOLE, BEGAN, Seen([], [whole, lost, back]))
    assert found == {LOST: 3, BACK: 9}


def test_a_worker_that_is_back_before_its_loss_could_be_seen_was_lost_all_the_same() -> None:
    looks = [some_nodes(103, OLD, ONE, TWO), some_nodes(140, OLD, AGAIN, TWO)]

    assert phases(Recovery.WORKERS, WHOLE, BEGAN, Seen([], looks)) == {LOST: 40, BACK: 40}


def test_the_gap_is_the_longest_time_between_two_jobs_that_were_taken() -> None:
    samples = [Sample(at, at, True) for at in (90, 99, 112, 113)] + [Sample(100, 105, False)]

    assert longest_gap(samples, since=BEGAN) == 13
    assert longest_gap(samples[:2], since=BEGAN) == 0
