"""What capacity a policy asks for. Pure: no AWS, no clock.

Follows "How target tracking scaling for Application Auto Scaling works" (docs.aws.amazon.com/
autoscaling/application/userguide/target-tracking-scaling-policy-overview.html: in proportion to the
metric, rounded up, so that the metric does not exceed its target) and "How step scaling for
Application Auto Scaling works" (.../step-scaling-policy-overview.html: bounds relative to the
alarm's threshold, the lower one inclusive above it and the upper one below it; percentages are
rounded away from zero below 1, towards zero above). AWS does not say how target tracking leaves
zero; here a capacity of zero counts as one.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Tree = Mapping[str, Any]


def tracked(current: int, metric: float, target: float) -> int:
    """Return the capacity at which the metric would be at its target."""
    return math.ceil(max(current, 1) * metric / target - 1e-9)


def step_for(steps: Sequence[Tree], breach: float) -> Tree | None:
    """Return the step for a metric that is ``breach`` above (or below) the threshold."""
    for step in steps:
        low = float(step.get("MetricIntervalLowerBound", -math.inf))
        high = float(step.get("MetricIntervalUpperBound", math.inf))
        inside = low <= breach < high if breach >= 0 else low < breach <= high
        if inside:
            return step
    return None


def stepped(current: int, policy: Tree, step: Tree) -> int:
    """Return the capacity after a step's adjustment."""
    by, kind = int(step["ScalingAdjustment"]), policy["AdjustmentType"]
    if kind == "ExactCapacity":
        return by
    if kind == "ChangeInCapacity":
        return current + by
    exact = current * by / 100
    change = int(exact) if abs(exact) >= 1 else int(math.copysign(math.ceil(abs(exact)), exact))
    least = int(policy.get("MinAdjustmentMagnitude") or 0)
    if change and abs(change) < least:
        change = int(math.copysign(least, change))
    return current + change
