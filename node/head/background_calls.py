"""Calls that must not hold up a state machine: one of a name at a time, tried again until it
succeeds. No AWS itself.

The executor is a thread in the machine's main loop, and runs at once in tests and in the
simulation.
"""

import random
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from node.log import WARNING, Log

Clock = Callable[[], float]


class BackgroundCalls:
    """Raises errors of the type ``final`` to the caller; logs all others and tries again."""

    def __init__(
        self,
        executor: Executor,
        *,
        clock: Clock,
        log: Log,
        final: type[Exception],
        retry_seconds: float = 2.0,
    ) -> None:
        self._executor, self._clock, self._log = executor, clock, log
        self._final, self._retry_seconds = final, retry_seconds
        self._running: dict[str, Future[Any]] = {}
        self._not_before: dict[str, float] = {}
        self._done: set[str] = set()

    def done(self, name: str, call: Callable[[], object]) -> bool:
        """Return True once ``call`` has succeeded; until then make it, and make it again."""
        self._collect(name)
        if name in self._done:
            return True
        if name not in self._running and self._clock() >= self._not_before.get(name, 0.0):
            self._running[name] = self._executor.submit(call)
            self._collect(name)
        return name in self._done

    def is_running(self, name: str) -> bool:
        """Say whether a call of that name is being made now."""
        future = self._running.get(name)
        return future is not None and not future.done()

    def reset(self, *names: str) -> None:
        """Count these as not done; a call that is running may end, and does not count."""
        for name in names:
            self._running.pop(name, None)
            self._done.discard(name)
            self._not_before.pop(name, None)

    def _collect(self, name: str) -> None:
        """Look at the outcome of a call that has ended."""
        future = self._running.get(name)
        if future is None or not future.done():
            return
        del self._running[name]
        error = future.exception()
        if error is None:
            self._done.add(name)
        elif isinstance(error, self._final):
            raise error
        else:
            pause = self._retry_seconds * random.uniform(0.5, 1.5)  # noqa: S311 (no secret)
            self._not_before[name] = self._clock() + pause
            self._log("background call failed", level=WARNING, call=name, error=error)


class RepeatedCall:
    """A background call that is made again some seconds after it succeeded."""

    def __init__(
        self,
        calls: BackgroundCalls,
        name: str,
        call: Callable[[], object],
        *,
        clock: Clock,
        interval: float,
    ) -> None:
        self._calls, self._name, self._call = calls, name, call
        self._clock, self._interval = clock, interval
        self._next = 0.0

    def step(self) -> None:
        """Make the call when it is due, and again until it succeeds; raises what is final."""
        if self._clock() >= self._next and self._calls.done(self._name, self._call):
            self._calls.reset(self._name)
            self._next = self._clock() + self._interval
