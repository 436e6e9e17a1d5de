"""How long a cluster's clients were without an answer, from tries made all the while. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Try:
    """A client asked at a moment (seconds since the epoch), and was answered or not."""

    at: float
    answered: bool


@dataclass(frozen=True)
class Gap:
    """No answer between two moments: the last that was given before, the first after.

    ``ended`` is None when none came any more, up to the last try at ``last``.
    """

    began: float
    ended: float | None
    last: float

    @property
    def until(self) -> float:
        """The moment up to which nothing is known to have been answered."""
        return self.last if self.ended is None else self.ended

    @property
    def seconds(self) -> float:
        """How long it was at most."""
        return self.until - self.began


def tries_of(samples: Iterable[tuple[float, bool]]) -> tuple[Try, ...]:
    """Return samples (seconds since the epoch, answered) in the order of time."""
    return tuple(Try(at, answered) for at, answered in sorted(samples))


def gaps(tries: tuple[Try, ...]) -> tuple[Gap, ...]:
    """Return every stretch without an answer, in order.

    Counted from the last answered try before it (or from the first that was not) to the first
    answered one after it: what a client may have waited at most.
    """
    found: list[Gap] = []
    answered: float | None = None
    failed: list[float] = []
    for one in tries:
        if not one.answered:
            failed.append(one.at)
            continue
        if failed:
            found.append(Gap(failed[0] if answered is None else answered, one.at, failed[-1]))
        answered, failed = one.at, []
    if failed:
        found.append(Gap(failed[0] if answered is None else answered, None, failed[-1]))
    return tuple(found)


def longest(tries: tuple[Try, ...]) -> Gap | None:
    """Return the longest gap; None when every try was answered."""
    return max(gaps(tries), key=lambda gap: gap.seconds, default=None)
