"""Waiting: it ends with the value, or with an error that names what was last seen."""

import pytest

from common.errors import TimedOut
from common.waiting import Seen, wait_for


class StepClock:
    """A clock that only advances in ``sleep``."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_the_value_is_returned_as_soon_as_it_is_seen() -> None:
    clock = StepClock()
    looks = iter([Seen[str](None, "pending"), Seen[str](None, "pending"), Seen("up", "running")])

    value = wait_for("the machine", lambda: next(looks), clock=clock, seconds=60, every=2)

    assert value == "up"
    assert clock.now() == 4


def test_a_timeout_names_what_was_last_seen_and_the_hint() -> None:
    clock = StepClock()

    with pytest.raises(TimedOut) as failed:
        wait_for(
            "the machine",
            lambda: Seen[str](None, "still pending"),
            clock=clock,
            seconds=5,
            every=2,
            hint="look at its console",
        )

    assert clock.now() == 5
    assert "still pending" in str(failed.value)
    assert "look at its console" in str(failed.value)


def test_every_look_without_a_value_is_reported() -> None:
    told: list[str] = []
    looks = iter([Seen[int](None, "0 of 2"), Seen[int](None, "1 of 2"), Seen(2, "2 of 2")])

    wait_for("workers", lambda: next(looks), clock=StepClock(), seconds=9, progress=told.append)

    assert told == ["0 of 2", "1 of 2"]
