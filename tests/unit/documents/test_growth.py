"""How many nodes a group should have: more for what lasts, fewer after a quarter of an hour."""

import pytest

from documents.growth import Growth
from documents.settings import Settings, load_settings
from tests.unit.documents.test_settings import NEEDED


def settings(least: int, most: int | None) -> Settings:
    limits = {"DOCUMENTS_WORKERS_MIN": str(least), "DOCUMENTS_WORKERS_MAX": str(most or "")}
    return load_settings({**NEEDED, **limits})


class Group:
    """A group of so many nodes, of 1 to 5, that is looked at every five seconds."""

    def __init__(self, nodes: int, least: int = 1, most: int = 5) -> None:
        self.growth, self.now = Growth(settings(least, most), nodes, 0.0), 0.0

    def after(self, seconds: float, waiting: int) -> int:
        """Return how many there should be, after so many seconds with so many messages."""
        end = self.now + seconds
        while self.now < end:
            wanted = self.growth.step(waiting, self.now)
            self.now += 5
        return wanted


@pytest.mark.parametrize(
    ("waiting", "nodes"), [(0, 1), (10, 1), (11, 2), (40, 4), (50, 5), (51, 5), (5000, 5)]
)
def test_ten_wait_for_each_and_there_are_never_more_than_the_most(waiting: int, nodes: int) -> None:
    assert Group(1).after(70, waiting) == nodes


def test_what_waits_for_less_than_a_minute_changes_nothing() -> None:
    group = Group(1)

    assert group.after(120, 0) == 1
    assert group.after(50, 40) == 1
    assert group.after(5, 0) == 1
    assert group.after(60, 40) == 1
    assert group.after(10, 40) == 4


def test_it_grows_to_the_least_that_was_needed_all_along() -> None:
    group = Group(1)
    group.after(60, 25)

    assert group.after(5, 50) == 3


def test_it_shrinks_after_a_quarter_of_an_hour_in_which_fewer_were_enough() -> None:
    group = Group(1)
    assert group.after(70, 50) == 5

    assert group.after(895, 18) == 5
    assert group.after(15, 18) == 2
    assert group.after(910, 0) == 1


def test_whatever_needs_more_meanwhile_begins_the_quarter_of_an_hour_anew() -> None:
    group = Group(5)
    group.after(800, 0)
    group.after(5, 45)

    assert group.after(895, 0) == 5
    assert group.after(15, 0) == 1


def test_a_keeper_that_starts_again_leaves_the_group_as_it_is_at_first() -> None:
    assert Group(4).after(890, 0) == 4
    assert Group(9).after(5, 0) == 5
    assert Group(1, least=3).after(5, 0) == 3


def test_without_a_most_only_what_waits_limits_it() -> None:
    growth = Growth(settings(1, None), 7, 0.0)

    assert growth.wanted == 7
