"""What the head reports to CloudWatch: what waits, for how many workers, its failures. Touches AWS.

Scaling follows ``BacklogPerWorker`` (docs.aws.amazon.com/autoscaling/application/userguide/
application-auto-scaling-target-tracking.html: a metric that falls as capacity grows); the alarms
look at the others.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from documents.access import Access
from documents.control.claims import FAILED
from documents.errors import Unavailable

NAMESPACE = "RayDocuments"
EVERY = 60.0


class Reporter:
    """Reports once a minute, at most; ``environment`` is the dimension's value, empty for none."""

    def __init__(
        self,
        cloudwatch: Any,
        found: Access,
        environment: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cloudwatch, self._found, self._environment = cloudwatch, found, environment
        self._clock, self._next = clock, 0.0

    def step(self, workers: int) -> None:
        """Report with so many workers alive, unless it is too early; raises Unavailable."""
        if not self._environment or self._clock() < self._next:
            return
        waiting = self._found.queue.waiting()
        values = {
            "BacklogPerWorker": waiting / max(1, workers),
            "BacklogWithoutWorkers": 0 if workers else waiting,
            "WorkersAlive": workers,
            "FailedDocuments": self._found.listing.count(FAILED),
        }
        _put(self._cloudwatch, self._environment, values)
        self._next = self._clock() + EVERY


def report_failure(cloudwatch: Any, environment: str) -> None:
    """Report that the head has failed; raises Unavailable."""
    if environment:
        _put(cloudwatch, environment, {"HeadFailures": 1})


def _put(cloudwatch: Any, environment: str, values: Mapping[str, float]) -> None:
    dimensions = [{"Name": "Environment", "Value": environment}]
    try:
        cloudwatch.put_metric_data(
            Namespace=NAMESPACE,
            MetricData=[
                {"MetricName": name, "Dimensions": dimensions, "Value": value}
                for name, value in values.items()
            ],
        )
    except (ClientError, BotoCoreError) as error:
        raise Unavailable(f"CloudWatch: {error}") from error
