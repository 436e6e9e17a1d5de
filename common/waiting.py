"""All waiting: a deadline, and an error that says what was last seen. No AWS."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from common.errors import TimedOut

T = TypeVar("T")


class Clock(Protocol):
    """A source of time; tests and the simulation have their own."""

    def now(self) -> float:
        """Return seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True)
class Seen(Generic[T]):
    """What one look found: ``value``, or None to go on waiting; and words for a person."""

    value: T | None
    words: str


def wait_for(
    what: str,
    look: Callable[[], Seen[T]],
    *,
    clock: Clock,
    seconds: float,
    every: float = 1.0,
    growing: float = 1.0,
    hint: str = "",
    progress: Callable[[str], None] = lambda words: None,
) -> T:
    """Look every ``every`` seconds until a look has a value, and return it.

    Each interval is ``growing`` times the one before.
    Raises TimedOut after ``seconds``, with ``what`` was awaited and what was last seen.
    """
    deadline = clock.now() + seconds
    while True:
        seen = look()
        if seen.value is not None:
            return seen.value
        progress(seen.words)
        if clock.now() >= deadline:
            raise TimedOut(
                f"{what}: not within {seconds:.0f} s; last seen: {seen.words}", hint=hint
            )
        clock.sleep(min(every, max(0.0, deadline - clock.now())))
        every *= growing
