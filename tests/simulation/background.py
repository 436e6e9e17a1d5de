"""An executor on the simulation's clock: calls run at once, and are done later."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from tests.simulation.machine import Machine


class Background(Executor):
    """One machine's thread for calls that may block; they delay nothing else."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._busy_until = 0.0

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        result: Any = None
        failure: Exception | None = None
        with self._machine.spending() as spent:
            try:
                result = call(*args, **kwargs)
            except Exception as error:
                failure = error

        def done() -> None:
            if failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)

        now = self._machine.timeline.now()
        self._busy_until = max(now, self._busy_until) + spent()
        if self._busy_until > now:
            self._machine.after(self._busy_until - now, done)
        else:
            done()
        return future
