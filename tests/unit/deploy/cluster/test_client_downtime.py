"""Client downtime: from the last answer before it to the first after it."""

import pytest

from deploy.cluster.client_downtime import (
    Downtime,
    Probe,
    downtimes,
    longest_downtime,
    probes_of,
)


def probes(answers: str) -> tuple[Probe, ...]:
    """Return a probe a second: + was answered."""
    return probes_of((float(at), sign == "+") for at, sign in enumerate(answers))


def test_samples_become_probes_oldest_first() -> None:
    assert probes_of([(2.0, True), (1.0, False)]) == (Probe(1.0, False), Probe(2.0, True))


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ("", ()),
        ("+++", ()),
        ("+--+", (Downtime(0.0, 3.0, 2.0),)),
        ("--+", (Downtime(0.0, 2.0, 1.0),)),
        ("++--", (Downtime(1.0, None, 3.0),)),
        ("--", (Downtime(0.0, None, 1.0),)),
        ("+-+-+", (Downtime(0.0, 2.0, 1.0), Downtime(2.0, 4.0, 3.0))),
    ],
)
def test_a_downtime_is_the_most_that_a_client_may_have_waited(
    answers: str, found: tuple[Downtime, ...]
) -> None:
    assert downtimes(probes(answers)) == found


def test_the_longest_is_by_its_seconds() -> None:
    assert longest_downtime(probes("+-+---+-")) == Downtime(2.0, 6.0, 5.0)
    assert longest_downtime(probes("+")) is None


def test_without_an_answer_after_it_a_downtime_lasts_until_the_last_probe() -> None:
    ended, open_end = Downtime(1.0, 4.0, 3.0), Downtime(1.0, None, 3.0)

    assert (ended.until, ended.seconds) == (4.0, 3.0)
    assert (open_end.until, open_end.seconds) == (3.0, 2.0)
