"""Heads around one lease table, with everything that can go wrong between them; time is simulated.

Lease, guard and the guard's loop are the real ones. Modelled are the network (a call is late,
lost, delivered twice, throttled, its answer lost or looked at late), the process (paused at any
point), the kernel's deadline and systemd (two deadlines of the machine's own, and a restart), the
clocks (any offset, rates up to a tenth off), power, and Ray.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from node.head.background_calls import BackgroundCalls
from node.head.guard import Guard
from node.head.loop import StopRequest, run
from node.head.phases import Limits
from node.lease.lease import LEASE_TIMES, Lease, LeaseTimes
from node.lease.table import LeaseItem, Refused, Unknown
from node.ray.token import NotFit
from tests.unit.node.fakes import AtOnce, FakeRay, FakeRelay, FakeServices, MemoryTable, silent
from tests.unit.node.stage import Killed, Stage

TIMEOUT = 2.0  # a second to connect, a second to read: node/clients.py
WATCHDOG, STOPPING, RESTART = 7.0, 2.0, 1.0  # ray-head.service
REAPING = 1.0  # at most, until systemd has ended what a killed guard leaves
# More happens in a story.
PATIENT = Limits(max_failures=10_000, unhealthy_timeout=3.0, failure_pause=1.0)


@dataclass(frozen=True)
class Parts:
    """The parts of the heads; a mutation replaces one of them."""

    lease: type[Lease] = Lease
    guard: type[Guard] = Guard
    table: type[MemoryTable] = MemoryTable
    times: LeaseTimes = LEASE_TIMES
    kernel_kills: bool = True


@dataclass(frozen=True)
class Fate:
    """The fate of one call: seconds on its way there and back, then paused; what fails."""

    there: float = 0.01
    back: float = 0.01
    paused: float = 0.0
    lost: bool = False
    twice: bool = False
    throttled: bool = False


class Process:
    """One process of a head's guard; everything that it does passes through ``wait``."""

    def __init__(self, machine: "Machine") -> None:
        self.machine, self.alive = machine, True
        self._stage = machine.stage
        self.stop = StopRequest()
        self._fed = 0
        self._set_kill_time: float | None = None
        self.guard = self._make_guard()

    def play(self) -> None:
        run(self.guard, self.stop, notify=self._notify, sleep=self.wait)
        self.machine.lose(self)

    def wait(self, seconds: float) -> None:
        self._stage.wait(seconds)
        if not self.alive:
            raise Killed

    def pause(self, point: str) -> None:
        """Stand still here for as long as the story says."""
        seconds = self.machine.pauses.pop(point, 0.0)
        if seconds:
            self.wait(seconds)

    def _make_guard(self) -> Guard:
        machine, parts = self.machine, self.machine.parts
        lease = parts.lease(
            Network(self),
            machine.name,
            machine.name,
            clock=machine.clock,
            log=silent,
            set_kill_time=self.set_kill_time,
            times=parts.times,
        )
        background_calls = BackgroundCalls(AtOnce(), clock=machine.clock, log=silent, final=NotFit)
        return parts.guard(
            lease,
            PausedRay(self),
            FakeRelay(),
            FakeServices(),
            background_calls,
            clock=machine.clock,
            log=silent,
            limits=PATIENT,
        )

    def _notify(self, state: str) -> None:
        """Do as systemd does with WATCHDOG=1, which it ignores once the unit is stopping."""
        self.pause("feed")
        if not self.stop.made and "WATCHDOG=1" in state:
            self._fed = fed = self._fed + 1
            self._later(WATCHDOG, lambda: fed == self._fed and not self.stop.made)

    def set_kill_time(self, at: float | None) -> None:
        """Do as the kernel does, see node/head/kill_timer.py."""
        self.pause("deadline")
        if self.machine.parts.kernel_kills:
            self._set_kill_time = at
            if at is not None:
                self._later(at - self.machine.clock(), lambda: at == self._set_kill_time)
                self.wait(0)

    def ask_to_stop(self) -> None:
        """Do as ``systemctl restart`` does."""
        self.stop.made = True
        self._later(STOPPING, lambda: True)

    def _later(self, seconds: float, still: Callable[[], bool]) -> None:
        """Kill this process in so many seconds of its machine's clock, if it is ``still`` due."""

        def kill() -> None:
            if self.alive and still():
                self.machine.lose(self)

        self._stage.at(self._stage.now + seconds / self.machine.rate, kill)


class PausedRay:
    """The machine's Ray, before whose start the process may stand still."""

    def __init__(self, process: Process) -> None:
        self._process, self._ray = process, process.machine.ray

    def start(self) -> None:
        self._process.pause("start")
        self._ray.start()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ray, name)


class Network:
    """A guard's route to the table; a request arrives even when its sender has died since."""

    def __init__(self, process: Process) -> None:
        self._process, self._machine = process, process.machine
        self._stage, self._table = self._machine.stage, self._machine.table

    def read(self) -> LeaseItem | None:
        found: LeaseItem | None = self._call("read", self._table.read)
        return found

    def take(
        self, seen: LeaseItem | None, holder: str, address: str, autoscaler: str, refused: str
    ) -> None:
        self._call("take", lambda: self._table.take(seen, holder, address, autoscaler, refused))

    def renew(self, epoch: int, holder: str, autoscaler: str, refused: str) -> LeaseItem:
        item: LeaseItem = self._call(
            "renew", lambda: self._table.renew(epoch, holder, autoscaler, refused)
        )
        return item

    def release(self, epoch: int, holder: str) -> None:
        self._call("release", lambda: self._table.release(epoch, holder))

    def _call(self, name: str, operation: Callable[[], Any]) -> Any:
        fate = self._machine.fate_of(name)
        outcomes: list[tuple[Any, Exception | None]] = []

        def arrive() -> None:
            try:
                outcomes.append((operation(), None))
            except Refused as refused:
                outcomes.append((None, refused))

        if not (fate.lost or fate.throttled):
            for _ in range(1 + fate.twice):
                self._stage.at(self._stage.now + fate.there, arrive)
        answered = TIMEOUT if fate.lost else min(fate.there + fate.back, TIMEOUT)
        self._process.wait(answered)
        self._process.wait(fate.paused)  # between the answer and its use
        if not outcomes or answered == TIMEOUT:
            raise Unknown("no answer, or throttled")
        value, error = outcomes[-1]  # of what was delivered twice: the second answer
        if error:
            raise error
        return value


@dataclass
class Machine:
    """One head instance: systemd, which restarts the guard, and Ray beside it."""

    stage: Stage
    name: str
    table: MemoryTable
    parts: Parts
    rate: float
    offset: float
    reaping: float
    process: Process | None = None
    fates: dict[str, list[Fate]] = field(default_factory=dict)
    pauses: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ray = FakeRay(self.clock, boot=4.0)
        self._boots = 0

    def clock(self) -> float:
        return self.offset + self.rate * self.stage.now

    @property
    def leads(self) -> bool:
        return self.process is not None and self.process.guard.is_leader

    def fate_of(self, call: str) -> Fate:
        fates = self.fates.get(call)
        return fates.pop(0) if fates else Fate()

    def boot(self, after: float = 0.0) -> None:
        """Have systemd start the guard in so many seconds, unless another boot comes first."""
        self._boots += 1
        boots = self._boots

        def start() -> None:
            if boots == self._boots:
                self._start()

        self.stage.at(self.stage.now + after, start)

    def lose(self, process: Process) -> None:
        """End the guard's process; systemd kills what is left of Ray, then starts another."""
        if process is not self.process:
            return
        process.alive, self.process = False, None
        self.stage.at(self.stage.now + self.reaping, self._reap)
        self.boot(self.reaping + RESTART)

    def power_off(self, seconds: float) -> None:
        """Cut the power, and restore it."""
        if self.process:
            self.process.alive, self.process = False, None
        self._reap()
        self.boot(seconds)

    def _reap(self) -> None:
        if self.process is None:
            self.ray.die()

    def _start(self) -> None:
        self.ray.die()
        self.ray.responsive, self.ray.stubborn = True, False
        self.process = Process(self)
        self.stage.actor(self.process.play)


class World:
    """The whole world; ``rates`` has one clock rate for each machine."""

    def __init__(self, parts: Parts, rates: list[float], reaping: float = REAPING) -> None:
        self.stage, self.table = Stage(), parts.table()
        self.machines = [
            Machine(self.stage, f"i-0{n}", self.table, parts, rate, 1e6 * (n + 1), reaping)
            for n, rate in enumerate(rates)
        ]
        for machine in self.machines:
            self._watch_starts(machine)
            machine.boot()

    def _watch_starts(self, machine: Machine) -> None:
        """Have every start of Ray check that no other Ray runs."""
        start = machine.ray.start

        def checked() -> None:
            running = [m.name for m in self.machines if m.ray.is_running()]
            assert not running, f"two heads at once: {machine.name} starts beside {running}"
            start()

        machine.ray.start = checked  # type: ignore[method-assign]

    @property
    def leaders(self) -> list[Machine]:
        return [machine for machine in self.machines if machine.leads]

    def run(self, seconds: float) -> None:
        """Let time pass; raises what any actor raised."""
        self.stage.run(self.stage.now + seconds)
        if self.stage.errors:
            raise self.stage.errors[0]

    def calm(self) -> None:
        """End all faults, except those still under way."""
        for machine in self.machines:
            machine.fates.clear()
            machine.pauses.clear()
            machine.ray.responsive, machine.ray.stubborn = True, False
            if machine.process is None:
                machine.boot(REAPING + RESTART)
