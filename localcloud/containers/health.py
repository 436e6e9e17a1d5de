"""A container's health check, run inside of it.

Follows HealthCheck of the ECS API (docs.aws.amazon.com/AmazonECS/latest/APIReference/
API_HealthCheck.html): CMD or CMD-SHELL, every 30 s, for at most 5 s, unhealthy after 3 failures in
a row; failures during startPeriod do not count.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.containers.container import Container

INTERVAL, TIMEOUT, RETRIES = 30.0, 5.0, 3
FIRST_SECONDS = 1.0  # after the start; AWS does not say


def inside(command: list[str]) -> list[str]:
    """Return the command to run for a health check's command."""
    if command[0] == "CMD-SHELL":
        return ["/bin/sh", "-c", " ".join(command[1:])]
    return command[1:] if command[0] == "CMD" else command


class HealthCheck:
    """Runs a check until its container ends, and tells each change of its result."""

    def __init__(
        self,
        container: str,
        given: Mapping[str, Any],
        runs: Container,
        tell: Callable[[str], None],
    ) -> None:
        self.container, self.is_healthy = container, False
        self._command = inside(list(given["command"]))
        self._interval = float(given.get("interval") or INTERVAL)
        self._timeout = float(given.get("timeout") or TIMEOUT)
        self._retries = int(given.get("retries") or RETRIES)
        self._start_period = float(given.get("startPeriod") or 0)
        self._runs, self._tell = runs, tell

    def begin(self) -> None:
        """Check in a thread from now on."""
        threading.Thread(target=self._check, daemon=True).start()

    def _check(self) -> None:
        began, failures, told = time.monotonic(), 0, ""
        wait = min(FIRST_SECONDS, self._interval)
        while not self._runs.ended.wait(wait):
            wait = self._interval
            passed = self._runs.run(self._command, self._timeout).exit_code == 0
            if self._runs.ended.is_set():
                return
            starting = time.monotonic() - began < self._start_period
            failures = 0 if passed else failures + (not starting)
            state = "HEALTHY" if passed else "UNHEALTHY" if failures >= self._retries else told
            self.is_healthy = state == "HEALTHY"
            if state != told:
                told = state
                self._tell(state)
