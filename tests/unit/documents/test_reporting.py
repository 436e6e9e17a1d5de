"""What the head reports to CloudWatch."""

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from documents.errors import Unavailable
from documents.reporting import Reporter, report_failure


class CloudWatch:
    """Keeps what it is told; or refuses."""

    def __init__(self) -> None:
        self.told: list[dict[str, float]] = []
        self.dimensions: list[Any] = []
        self.refuses = False

    def put_metric_data(self, **given: Any) -> None:
        assert given["Namespace"] == "RayDocuments"
        if self.refuses:
            raise ClientError({"Error": {"Code": "Throttling"}}, "PutMetricData")
        self.told.append({one["MetricName"]: one["Value"] for one in given["MetricData"]})
        self.dimensions += [one["Dimensions"] for one in given["MetricData"]]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def reporter(cloudwatch: CloudWatch, clock: Clock, waiting: int, name: str = "dev") -> Reporter:
    found: Any = SimpleNamespace(
        queue=SimpleNamespace(waiting=lambda: waiting),
        listing=SimpleNamespace(count=lambda status: {"FAILED": 3}[status]),
    )
    return Reporter(cloudwatch, found, name, clock)


def test_it_says_how_much_waits_for_each_worker() -> None:
    cloudwatch, clock = CloudWatch(), Clock()

    reporter(cloudwatch, clock, 40).step(4)

    assert cloudwatch.told == [
        {
            "BacklogPerWorker": 10.0,
            "BacklogWithoutWorkers": 0,
            "WorkersAlive": 4,
            "FailedDocuments": 3,
        }
    ]
    assert cloudwatch.dimensions == [[{"Name": "Environment", "Value": "dev"}]] * 4


def test_without_workers_all_waits_for_the_first() -> None:
    cloudwatch, clock = CloudWatch(), Clock()

    reporter(cloudwatch, clock, 7).step(0)

    assert cloudwatch.told[0]["BacklogPerWorker"] == 7
    assert cloudwatch.told[0]["BacklogWithoutWorkers"] == 7


def test_it_reports_once_a_minute() -> None:
    cloudwatch, clock = CloudWatch(), Clock()
    reports = reporter(cloudwatch, clock, 0)

    for clock.now in (0.0, 5.0, 59.0, 60.0, 125.0):
        reports.step(1)

    assert len(cloudwatch.told) == 3  # at 0, 60 and 125 s


def test_what_cloudwatch_refused_is_reported_again() -> None:
    cloudwatch, clock = CloudWatch(), Clock()
    cloudwatch.refuses, reports = True, reporter(cloudwatch, clock, 0)

    with pytest.raises(Unavailable):
        reports.step(1)
    cloudwatch.refuses = False
    reports.step(1)

    assert [told["WorkersAlive"] for told in cloudwatch.told] == [1]


def test_without_an_environment_nothing_is_reported() -> None:
    cloudwatch, clock = CloudWatch(), Clock()

    reporter(cloudwatch, clock, 5, name="").step(1)
    report_failure(cloudwatch, "")

    assert cloudwatch.told == []


def test_a_failure_of_the_head_is_reported() -> None:
    cloudwatch = CloudWatch()

    report_failure(cloudwatch, "dev")

    assert cloudwatch.told == [{"HeadFailures": 1}]
    assert cloudwatch.dimensions == [[{"Name": "Environment", "Value": "dev"}]]
