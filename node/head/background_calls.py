"""Calls that must not hold up a state machine: one of a name at a time, tried again until it
succeeds. No AWS itself.

The executor is a thread in the machine's main loop, and runs at once in tests and in the
simulation.
"""

import random
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from node.log import WARNING, Say

Clock = Callable[[], float]


class BackgroundCalls:
    """Errors of the type ``final`` go on to the caller; all others are logged and tried again."""

    def __init__(
        self,
        executor: Executor,
        *,
        clock: Clock,
        say: Say,
        final: type[Exception],
        retry_seconds: float = 2.0,
    ) -> None:
        self._executor, self._clock, self._say = executor, clock, say
        self._final, self._retry_seconds = final, retry_seconds
        self._under_way: dict[str, Future[Any]] = {}
        self._not_before: dict[str, float] = {}
        self._done: set[str] = set()

    def done(self, name: str, call: Callable[[], object]) -> bool:
        """Return True once ``call`` has succeeded; until then see to it that it is tried."""
        self._collect(name)
        if name in self._done:
            return True
        if name not in self._under_way and self._clock() >= self._not_before.get(name, 0.0):
            self._under_way[name] = self._executor.submit(call)
            self._collect(name)
        return name in self._done

    def under_way(self, name: str) -> bool:
        """Say whether a call of that name is being made now."""
        future = self._under_way.get(name)
        return future is not None and not future.done()

    def again(self, *names: str) -> None:
        """Have these done anew; one that is under way is left to end, and does not count."""
        for name in names:
            self._under_way.pop(name, None)
            self._done.discard(name)
            self._not_before.pop(name, None)

    def _collect(self, name: str) -> None:
        """Look at the outcome of a call that has ended."""
        future = self._under_way.get(name)
        if future is None or not future.done():
            return
        del self._under_way[name]
        error = future.exception()
        if error is None:
            self._done.add(name)
        elif isinstance(error, self._final):
            raise error
        else:
            pause = self._retry_seconds * random.uniform(0.5, 1.5)  # noqa: S311 (no secret)
            self._not_before[name] = self._clock() + pause
            self._say("errand failed", level=WARNING, errand=name, error=error)
