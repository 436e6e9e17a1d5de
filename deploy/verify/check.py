"""A check: whether it passed, what was seen, and how long it took. No AWS."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from common.errors import PipelineError, TimedOut, Unanswered
from common.progress import Say, say_nothing
from common.waiting import Clock, Seen, wait_for


@dataclass(frozen=True)
class Verdict:
    """The result of one look; ``blind``: AWS refused or did not answer a call."""

    passed: bool
    seen: str
    blind: bool = False


@dataclass(frozen=True)
class Check:
    """One line of the acceptance list; ``blind`` as in the last verdict."""

    name: str
    passed: bool
    seen: str
    seconds: float
    blind: bool = False

    def __str__(self) -> str:
        return (
            f"{'pass' if self.passed else 'FAIL'}  {self.name}: {self.seen} ({self.seconds:.1f} s)"
        )


def check(
    name: str,
    look: Callable[[], Verdict],
    *,
    clock: Clock,
    timeout: float = 0.0,
    progress: Say = say_nothing,
) -> Check:
    """Look until it passes, for ``timeout`` seconds at most; the last look counts.

    A look that raises PipelineError fails, and the error's message is what was seen.
    """
    begun = clock.now()
    last = Verdict(False, "")

    def seen() -> Seen[Verdict]:
        nonlocal last
        last = _looked(look)
        return Seen(last if last.passed else None, f"{name}: {last.seen}")

    with suppress(TimedOut):
        wait_for(name, seen, clock=clock, seconds=timeout, progress=progress)
    return Check(name, last.passed, last.seen, clock.now() - begun, last.blind)


def _looked(look: Callable[[], Verdict]) -> Verdict:
    try:
        return look()
    except PipelineError as error:
        return Verdict(False, error.message, blind=isinstance(error, Unanswered))
