"""Statistics by period, each from a whole minute on.

moto's first period begins at the first datum. AWS rounds StartTime down to the whole minute and
counts the periods from there:
docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from moto.cloudwatch.models import Statistics

Read = Callable[..., list[Statistics]]


def by_period(read: Read) -> Read:
    """Return moto's ``get_metric_statistics`` with AWS's periods."""

    def get_metric_statistics(
        self: Any,
        namespace: str,
        metric_name: str,
        start_time: datetime,
        end_time: datetime,
        period: int,
        stats: list[str],
        **given: Any,
    ) -> list[Statistics]:
        first = start_time.replace(second=0, microsecond=0)
        whole = max(period, int((end_time - first).total_seconds()))
        together = read(self, namespace, metric_name, first, end_time, whole, stats, **given)
        found: dict[datetime, Statistics] = {}
        step = timedelta(seconds=period)
        for datum in (datum for one in together for datum in one.metric_data):
            begun = first + (datum.timestamp - first) // step * step
            found.setdefault(begun, Statistics(stats, begun, datum.unit)).metric_data.append(datum)
        return list(found.values())

    return get_metric_statistics
