"""Decide a metric alarm's state from its datapoints. Pure: no AWS, no clock.

Follows "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data" of the
CloudWatch User Guide (docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/
alarms-and-missing-data.html): more datapoints than EvaluationPeriods are evaluated; missing ones
are filled in only when there are fewer real ones than that, and as few as possible. The page's
example has a range of five for three periods: here it is two more than the periods.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

EXTRA_PERIODS = 2

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"

COMPARISONS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": ("greater than or equal to", lambda v, t: v >= t),
    "GreaterThanThreshold": ("greater than", lambda v, t: v > t),
    "LessThanOrEqualToThreshold": ("less than or equal to", lambda v, t: v <= t),
    "LessThanThreshold": ("less than", lambda v, t: v < t),
}


@dataclass(frozen=True)
class Rule:
    """What an alarm looks for."""

    comparison: str
    threshold: float
    periods: int
    datapoints: int  # that must breach, among the periods
    missing: str  # breaching, notBreaching, ignore or missing


@dataclass(frozen=True)
class Verdict:
    """An alarm's new state, and the reason."""

    state: str
    reason: str


def verdict(rule: Rule, values: Sequence[float | None], state: str) -> Verdict:
    """Return what ``values`` (oldest first, None where missing) make of an alarm in ``state``."""
    real = [value for value in values if value is not None]
    if not real:
        return _without_data(rule, state)
    breaching = [_breaches(rule, value) for value in real[-rule.periods :]]
    missing = rule.periods - len(breaching)
    if missing <= 0:
        return _counted(rule, real, sum(breaching), state)
    if rule.missing == "breaching":
        return _counted(rule, real, sum(breaching) + missing, state)
    if rule.missing == "notBreaching":
        return _counted(rule, real, sum(breaching), state)
    if not all(_breaches(rule, value) for value in real):
        return _counted(rule, real, sum(breaching), state)
    if rule.missing == "missing" and _is_premature_alarm(rule, values):
        return _counted(rule, real, rule.datapoints, state)
    return Verdict(state, "Too few datapoints to change the state")


def _is_premature_alarm(rule: Rule, values: Sequence[float | None]) -> bool:
    """Say whether the oldest datapoint, of only breaching ones, is as old as those to alarm."""
    oldest = next(i for i, value in enumerate(values) if value is not None)
    return len(values) - oldest >= rule.datapoints


def _without_data(rule: Rule, state: str) -> Verdict:
    absent = f"no datapoints were received for {rule.periods} period{'s' * (rule.periods > 1)} and"
    treated = f"{rule.periods} missing datapoint{'s were' if rule.periods > 1 else ' was'} treated"
    if rule.missing == "breaching":
        return Verdict(ALARM, f"Threshold Crossed: {absent} {treated} as [Breaching].")
    if rule.missing == "notBreaching":
        return Verdict(OK, f"Threshold Crossed: {absent} {treated} as [NonBreaching].")
    if rule.missing == "ignore":
        return Verdict(state, "Missing datapoints keep the state")
    unknown = f"{rule.periods} datapoint{'s were' if rule.periods > 1 else ' was'} unknown"
    return Verdict(INSUFFICIENT, f"Insufficient Data: {unknown}.")


def _counted(rule: Rule, real: list[float], breaching: int, state: str) -> Verdict:
    new = ALARM if breaching >= rule.datapoints else OK
    words, _ = COMPARISONS[rule.comparison]
    shown = ", ".join(str(float(value)) for value in real[-rule.periods :])
    many = breaching if new == ALARM else rule.periods - breaching
    verb = ("were" if many > 1 else "was") + ("" if new == ALARM else " not")
    least = rule.datapoints if new == ALARM else rule.periods - rule.datapoints + 1
    return Verdict(
        new,
        f"Threshold Crossed: {many} out of the last {rule.periods} datapoints [{shown}] {verb} "
        f"{words} the threshold ({float(rule.threshold)}) "
        f"(minimum {least} datapoint{'s' * (least > 1)} for {state} -> {new} transition).",
    )


def _breaches(rule: Rule, value: float) -> bool:
    return COMPARISONS[rule.comparison][1](value, rule.threshold)
