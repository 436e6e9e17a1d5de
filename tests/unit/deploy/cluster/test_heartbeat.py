"""The head's heartbeat: which minutes have one, and whether that is steady."""

from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.cluster.heartbeat import Heartbeat, heartbeat, ready_count, stands_by
from tests.unit.answers import Answers
from tests.unit.deploy.builders import an_environment

TEN = 1_795_341_600  # 2026-11-22 10:00:00 UTC


def at(minute: int, **values: float) -> dict[str, Any]:
    return {"Timestamp": datetime.fromtimestamp(TEN + 60 * minute, UTC), **values}


def metric(name: str, first: int, end: int, statistic: str) -> dict[str, Any]:
    """Return the request for a metric from one minute after ten to another."""
    return {
        "Namespace": "Ray/Head",
        "MetricName": name,
        "Dimensions": [{"Name": "Environment", "Value": "dev"}],
        "StartTime": datetime.fromtimestamp(TEN + 60 * first, UTC),
        "EndTime": datetime.fromtimestamp(TEN + 60 * end, UTC),
        "Period": 60,
        "Statistics": [statistic],
    }


def test_each_minute_has_its_highest_value() -> None:
    points = [at(2, Maximum=1.0), at(1, Maximum=0.0)]
    aws: Any = Answers(get_metric_statistics={"Datapoints": points})

    found = heartbeat(aws, an_environment(), since=TEN + 90, now=TEN + 150)

    assert found == Heartbeat({TEN + 120: 1.0, TEN + 60: 0.0})
    assert aws.requests == [
        ("cloudwatch:get_metric_statistics", metric("HeadReady", 1, 3, "Maximum"))
    ]


def test_ready_reports_are_counted_from_a_minute_on() -> None:
    aws: Any = Answers(get_metric_statistics={"Datapoints": [at(0, Sum=2.0), at(1, Sum=1.0)]})

    assert ready_count(aws, an_environment(), since=TEN + 59, now=TEN + 60) == 3
    assert aws.requests == [("cloudwatch:get_metric_statistics", metric("HeadReady", 0, 2, "Sum"))]


@pytest.mark.parametrize(
    ("points", "said"), [([], None), ([0.0], False), ([0.0, 1.0], True), ([2.0], True)]
)
def test_a_standby_is_what_was_said_in_this_minute_or_the_last(
    points: list[float], said: bool | None
) -> None:
    data = [at(minute, Maximum=value) for minute, value in enumerate(points)]
    aws: Any = Answers(get_metric_statistics={"Datapoints": data})

    assert stands_by(aws, an_environment(), now=TEN + 61) is said
    assert aws.requests == [
        ("cloudwatch:get_metric_statistics", metric("HeadStandingBy", 0, 2, "Maximum"))
    ]


def beats(*minutes: int, last: float = 1.0) -> Heartbeat:
    return Heartbeat({TEN + 60 * m: last if m == max(minutes) else 1.0 for m in minutes})


def test_minutes_without_a_heartbeat_are_named_except_the_current_one() -> None:
    assert beats(0, 1, 4).missing(TEN + 60 * 6 + 30) == (TEN + 120, TEN + 180, TEN + 300)
    assert beats(0, 1).missing(TEN + 119) == ()
    assert Heartbeat({}).missing(TEN) == ()


@pytest.mark.parametrize(
    ("beat", "seconds", "steady"),
    [
        (beats(0, 1, 2), 150, True),
        (beats(0, 2), 150, True),  # one minute skipped
        (beats(0, 3), 200, False),  # two in a row
        (beats(0), 179, True),  # 120 s old when it was sent at 0:59
        (beats(0), 180, False),  # the newest is old
        (beats(0, 1, last=0.0), 90, False),
        (beats(0, 1, last=2.0), 90, True),
        (Heartbeat({}), 0, False),
    ],
)
def test_a_heartbeat_is_steady_unless_it_is_old_bad_or_silent_for_two_minutes(
    beat: Heartbeat, seconds: int, steady: bool
) -> None:
    assert beat.is_steady(TEN + seconds) is steady
