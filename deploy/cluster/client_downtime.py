"""Client downtime: how long a cluster did not answer, from regular probes. Pure: no AWS."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Probe:
    """One request of a client: when (seconds since the epoch), and whether it was answered."""

    at: float
    answered: bool


@dataclass(frozen=True)
class Downtime:
    """A time without an answer, from the last answer before it to the first after it.

    ``ended`` is None when no answer followed; ``last`` is the last failed probe.
    """

    began: float
    ended: float | None
    last: float

    @property
    def until(self) -> float:
        """The end, or the last failed probe when no answer followed."""
        return self.last if self.ended is None else self.ended

    @property
    def seconds(self) -> float:
        """The duration: an upper bound."""
        return self.until - self.began


def probes_of(samples: Iterable[tuple[float, bool]]) -> tuple[Probe, ...]:
    """Return samples (seconds since the epoch, answered) as probes, oldest first."""
    return tuple(Probe(at, answered) for at, answered in sorted(samples))


def downtimes(probes: tuple[Probe, ...]) -> tuple[Downtime, ...]:
    """Return every downtime, in order.

    Each lasts from the last answered probe before it (or from the first failed one) to the first
    answered one after it: the most that a client may have waited.
    """
    found: list[Downtime] = []
    answered: float | None = None
    failed: list[float] = []
    for one in probes:
        if not one.answered:
            failed.append(one.at)
            continue
        if failed:
            found.append(Downtime(failed[0] if answered is None else answered, one.at, failed[-1]))
        answered, failed = one.at, []
    if failed:
        found.append(Downtime(failed[0] if answered is None else answered, None, failed[-1]))
    return tuple(found)


def longest_downtime(probes: tuple[Probe, ...]) -> Downtime | None:
    """Return the longest downtime; None when every probe was answered."""
    return max(downtimes(probes), key=lambda downtime: downtime.seconds, default=None)
