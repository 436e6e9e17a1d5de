"""The time axis: where a moment is drawn, and what its ticks say."""

import pytest

from deploy.report.axis import Scale, _tick, seconds_in_words


def test_moments_lie_between_the_names_and_the_last_time_and_others_at_the_edge() -> None:
    scale = Scale(began=100.0, ended=200.0, zero=100.0)

    drawn = [scale.x(at) for at in (0, 100, 150, 200, 900)]

    assert drawn == [285.0, 285.0, 591.5, 898.0, 898.0]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (0.5, "0.5 s"), (90, "90 s"), (600, "10 min"), (630, "10:30 min"), (7200, "2 h")],
)
def test_a_tick_has_the_fewest_digits(seconds: float, words: str) -> None:
    assert _tick(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.44, "0.4 s"),
        (43, "43 s"),
        (119.4, "119 s"),
        (125, "2:05 min"),
        (3720, "62:00 min"),
        (7320, "2:02 h"),
    ],
)
def test_a_length_of_time_is_read_at_a_glance(seconds: float, words: str) -> None:
    assert seconds_in_words(seconds) == words
