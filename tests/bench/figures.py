"""What the benchmarks print of many measurements."""

import os
from collections.abc import Sequence

from drills.kit.record import quantile


def show(what: str, values: Sequence[float]) -> None:
    """Print the median and the 95th percentile of some milliseconds, and the load."""
    p50, p95 = quantile(values, 0.5), quantile(values, 0.95)
    load = os.getloadavg()[0]
    print(
        f"{what}: p50 {p50:.0f} ms, p95 {p95:.0f} ms of {len(values)} (load {load:.1f})", flush=True
    )
