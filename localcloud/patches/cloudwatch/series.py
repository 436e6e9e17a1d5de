"""Keep metric data as alarms read them: by metric, on the world's clock.

Follows PutMetricData of the CloudWatch API reference: a datum without a time gets the time of its
arrival, which moto takes from the host's clock and not from the world's.
"""

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass
from datetime import UTC
from itertools import pairwise
from typing import Any

from moto.cloudwatch.exceptions import InvalidParameterValue

from localcloud import world
from localcloud.times import moment

KEPT = 86_400.0  # seconds; far longer than any alarm looks back

Key = tuple[str, str, frozenset[tuple[str, str]]]


@dataclass(frozen=True)
class Sample:
    """One datum, or a set of them already summed up."""

    when: float
    minimum: float
    maximum: float
    total: float
    count: float


def key(namespace: str, name: str, dimensions: list[dict[str, str]]) -> Key:
    """Return what makes a metric: namespace, name and exactly these dimensions."""
    return namespace, name, frozenset((d["Name"], d["Value"]) for d in dimensions)


def series_of(backend: Any) -> dict[Key, list[Sample]]:
    """Return a region's metrics, oldest sample first; moto's reset forgets them."""
    held: dict[Key, list[Sample]] = vars(backend).setdefault("series", {})
    return held


def stamp(metric_data: list[dict[str, Any]]) -> None:
    """Give every datum a time without zone, as moto compares them."""
    now = moment(world.now())
    for datum in metric_data:
        when = datum.get("Timestamp") or now
        datum["Timestamp"] = when.astimezone(UTC).replace(tzinfo=None) if when.tzinfo else when


def keep(backend: Any, namespace: str, metric_data: list[dict[str, Any]]) -> None:
    """Store stamped data where alarms find them, and drop what is too old."""
    for datum in metric_data:
        found = series_of(backend).setdefault(
            key(namespace, datum["MetricName"], list(datum.get("Dimensions", []))), []
        )
        for sample in _samples(datum):
            insort(found, sample, key=_time)
        del found[: bisect_left(found, world.now() - KEPT, key=_time)]


def _time(sample: Sample) -> float:
    return sample.when


def _samples(datum: dict[str, Any]) -> list[Sample]:
    when = datum["Timestamp"].replace(tzinfo=UTC).timestamp()
    if sums := datum.get("StatisticValues"):
        low, high, total, count = (
            float(sums[name]) for name in ("Minimum", "Maximum", "Sum", "SampleCount")
        )
        return [Sample(when, low, high, total, count)]
    values = [float(value) for value in datum.get("Values") or [datum.get("Value", 0)]]
    counts = [float(count) for count in datum.get("Counts") or [1] * len(values)]
    return [Sample(when, v, v, v * n, n) for v, n in zip(values, counts, strict=True)]


def statistic(samples: list[Sample], name: str) -> float | None:
    """Return one statistic over samples, None over none; unknown names are refused."""
    if not samples:
        return None
    count = sum(sample.count for sample in samples)
    total = sum(sample.total for sample in samples)
    known = {
        "Minimum": min(sample.minimum for sample in samples),
        "Maximum": max(sample.maximum for sample in samples),
        "Sum": total,
        "SampleCount": count,
        "Average": total / count if count else 0.0,
    }
    if name not in known:
        raise InvalidParameterValue(f"The local cloud has no statistic {name}")
    return known[name]


def windows(samples: list[Sample], end: float, period: float, how_many: int) -> list[list[Sample]]:
    """Return the samples of each of the last periods up to ``end``, oldest first."""
    edges = [end - period * back for back in range(how_many, -1, -1)]
    cuts = [bisect_right(samples, edge, key=_time) for edge in edges]
    return [samples[start:stop] for start, stop in pairwise(cuts)]
