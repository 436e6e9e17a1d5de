"""systemd's part in our services: restarts, their limit, the watchdog, and OnFailure.

Follows systemd.service(5) and systemd.unit(5) as far as the units in ``systemd/`` rely on them: a
process that ends takes its whole cgroup with it (KillMode=mixed), is restarted after
RestartSec, and the unit fails when it was started StartLimitBurst times within
StartLimitIntervalSec, or when its exit code is in RestartPreventExitStatus.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tests.simulation.machine import Machine

KILLED = 137


class Process(Protocol):
    """The main process of a service, with all that runs below it."""

    def stop(self) -> None:
        """End in order."""

    def kill(self) -> None:
        """End at once, with everything below."""


@dataclass(frozen=True)
class Rules:
    """Settings of the unit file, in seconds and counts."""

    restart: float
    burst: int
    within: float
    start_timeout: float | None = None  # until it says that it is ready (Type=notify)
    watchdog: float | None = None  # from then on, between two WATCHDOG=1
    final: frozenset[int] = frozenset()


HEAD = Rules(1.0, 4, 300.0, start_timeout=150.0, watchdog=7.0, final=frozenset({64}))
WORKER = Rules(0.2, 20, 600.0)
WATCHDOG = Rules(1.0, 10, 600.0, final=frozenset({64}))


class Service:
    """``make`` starts the process; ``failed`` is called when there are no more restarts."""

    def __init__(
        self,
        machine: Machine,
        rules: Rules,
        make: Callable[["Service"], Process],
        failed: Callable[[], None],
    ) -> None:
        self._machine, self._rules, self._make, self._failed = machine, rules, make, failed
        self._starts: list[float] = []
        self._fed = 0.0
        self._ready = False
        self.process: Process | None = None
        self.restarts = -1

    def start(self) -> None:
        """Start the process, up to the start limit."""
        now, rules = self._machine.timeline.now(), self._rules
        self._starts = [at for at in self._starts if at > now - rules.within]
        if len(self._starts) >= rules.burst:
            self._fail("started too often")
            return
        self._starts.append(now)
        self.restarts += 1
        self._ready, self._fed = False, now
        self.process = self._make(self)
        self._guard(self.process)

    def ready(self) -> None:
        """The process says that it is ready; its watchdog begins."""
        self._ready, self._fed = True, self._machine.timeline.now()

    def feed(self) -> None:
        """The process feeds the watchdog."""
        self._fed = self._machine.timeline.now()

    def ended(self, code: int) -> None:
        """The main process has ended, and its whole cgroup with it."""
        process, self.process = self.process, None
        if process is None:
            return
        process.kill()
        self._machine.log("unit: process ended", code=code)
        if code in self._rules.final:
            self._fail(f"exit code {code}")
        else:
            self._machine.after(self._rules.restart, self.start)

    def forget_starts(self) -> None:
        """systemctl reset-failed: start to count anew."""
        self._starts.clear()

    def restart(self) -> None:
        """systemctl restart: end in order, and start again."""
        if self.process:
            self.process.stop()
            self.ended(0)

    def stop(self) -> None:
        """End for good, in order: the machine shuts down."""
        process, self.process = self.process, None
        if process:
            process.stop()
            process.kill()

    def kill(self) -> None:
        """End for good, at once."""
        process, self.process = self.process, None
        if process:
            process.kill()

    def _fail(self, why: str) -> None:
        self._machine.log("unit: failed", level=3, why=why)
        self._failed()

    def _guard(self, process: Process) -> None:
        """Kill a process that is not ready in time, or does not feed its watchdog."""
        limit = self._rules.watchdog if self._ready else self._rules.start_timeout
        if limit is None or self.process is not process:
            return
        left = self._fed + limit - self._machine.timeline.now()
        if left <= 0:
            self._machine.log("unit: killed by systemd's watchdog", level=4)
            self.ended(KILLED)
        else:
            self._machine.after(min(left, 1.0), lambda: self._guard(process))
