"""Phases follow from observations alone, never earlier than a client could have known them."""

from drills.kit.client import JobAttempt, longest_gap
from drills.kit.phases import (
    JOB_ACCEPTED,
    LEASE_FREE,
    LEASE_TAKEN,
    LOSS_SEEN,
    RAY_ANSWERS,
    WORKERS_BACK,
    InitialState,
    LeaseReading,
    NodesReading,
    Observations,
    Recovery,
    phases,
)

OLD, NEW, ONE, TWO, AGAIN = "10.0.0.1", "10.0.0.2", "node-1", "node-2", "node-3"
INITIAL = InitialState(
    epoch=4,
    leader="i-old",
    heads=("i-old",),
    workers={"i-1": "10.0.0.11", "i-2": "10.0.0.12"},
    nodes=frozenset({ONE, TWO}),
)
FAULT_AT = 100.0


def a_lease(at: float, address: str = OLD, epoch: int = 4, released: bool = False) -> LeaseReading:
    return LeaseReading(at, "i-new" if address == NEW else "i-old", address, epoch, released)


def some_nodes(at: float, head: str, *workers: str) -> NodesReading:
    return NodesReading(at, frozenset({head}), frozenset(workers))


def test_the_recovery_of_a_head_has_five_phases() -> None:
    seen = Observations(
        [a_lease(99), a_lease(101, released=True), a_lease(110, NEW, 5)],
        [some_nodes(99, OLD, ONE, TWO), some_nodes(115, NEW, ONE), some_nodes(118, NEW, ONE, TWO)],
        [JobAttempt(99.0, 99.1, True), JobAttempt(105, 106, False), JobAttempt(116, 116.5, True)],
    )

    found = phases(Recovery.HEAD, INITIAL, FAULT_AT, seen)

    assert found == {
        LEASE_FREE: 1,
        LEASE_TAKEN: 10,
        RAY_ANSWERS: 15,
        WORKERS_BACK: 18,
        JOB_ACCEPTED: 16.5,
    }


def test_a_lease_that_lapses_is_free_when_another_head_takes_it() -> None:
    seen = Observations([a_lease(105), a_lease(112, NEW, 5)])

    assert phases(Recovery.HEAD, INITIAL, FAULT_AT, seen) == {LEASE_FREE: 12, LEASE_TAKEN: 12}


def test_answers_of_the_old_head_are_not_a_recovery() -> None:
    seen = Observations(
        [a_lease(101)], [some_nodes(102, OLD, ONE, TWO)], [JobAttempt(101, 102, True)]
    )

    assert phases(Recovery.HEAD, INITIAL, FAULT_AT, seen) == {}


def test_a_head_that_dies_before_its_ray_starts_does_not_count() -> None:
    seen = Observations(
        [a_lease(105, "10.0.0.9", 5), a_lease(120, NEW, 6)],
        [some_nodes(125, NEW, ONE, TWO)],
    )

    assert phases(Recovery.HEAD, INITIAL, FAULT_AT, seen)[RAY_ANSWERS] == 25


def test_workers_are_back_only_after_their_loss_was_seen() -> None:
    whole = some_nodes(101, OLD, ONE, TWO)
    assert phases(Recovery.WORKERS, INITIAL, FAULT_AT, Observations([], [whole])) == {}

    lost, back = some_nodes(103, OLD, TWO), some_nodes(109, OLD, AGAIN, TWO)

    found = phases(Recovery.WORKERS, INITIAL, FAULT_AT, Observations([], [whole, lost, back]))
    assert found == {LOSS_SEEN: 3, WORKERS_BACK: 9}


def test_a_worker_with_a_new_node_id_was_lost_even_if_its_loss_was_not_seen() -> None:
    readings = [some_nodes(103, OLD, ONE, TWO), some_nodes(140, OLD, AGAIN, TWO)]

    assert phases(Recovery.WORKERS, INITIAL, FAULT_AT, Observations([], readings)) == {
        LOSS_SEEN: 40,
        WORKERS_BACK: 40,
    }


def test_the_gap_is_the_longest_time_between_two_accepted_jobs() -> None:
    attempts = [JobAttempt(at, at, True) for at in (90, 99, 112, 113)] + [
        JobAttempt(100, 105, False)
    ]

    assert longest_gap(attempts, since=FAULT_AT) == 13
    assert longest_gap(attempts[:2], since=FAULT_AT) == 0
