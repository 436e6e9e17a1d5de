"""Work in other threads is told once when it is cancelled, however late it begins."""

import pytest

from bake.cancellation import Cancellation, Cancelled


def test_who_runs_is_told_and_who_has_ended_is_not() -> None:
    told: list[str] = []
    cancellation = Cancellation()
    with cancellation.calling(lambda: told.append("ended")):
        cancellation.check()

    with cancellation.calling(lambda: told.append("running")):
        cancellation.request()

    assert told == ["running"]


def test_who_begins_afterwards_is_told_at_once() -> None:
    told: list[str] = []
    cancellation = Cancellation()
    cancellation.request()

    with cancellation.calling(lambda: told.append("late")):
        assert told == ["late"]
    with pytest.raises(Cancelled):
        cancellation.check()
