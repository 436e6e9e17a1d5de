"""All waiting: a deadline, and an error that names what was last seen. No AWS."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from common.errors import TimedOut

T = TypeVar("T")


class Clock(Protocol):
    """Time as its user sees it; tests and the simulation bring their own."""

    def now(self) -> float:
        """Return seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Let that much time pass."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True)
class Seen(Generic[T]):
    """What one look found: ``value`` once it is there, and words for the person who waits."""

    value: T | None
    words: str


def wait_for(
    what: str,
    look: Callable[[], Seen[T]],
    *,
    clock: Clock,
    seconds: float,
    every: float = 1.0,
    hint: str = "",
    progress: Callable[[str], None] = lambda words: None,
) -> T:
    """Look ``every`` so many seconds until a value is there, and return it.

    Raises TimedOut after ``seconds``, naming ``what`` was awaited and what was last seen.
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
