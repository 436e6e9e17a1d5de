"""Whatever network, clocks and schedulers do: never two heads at once, and soon one again.

Each guard runs as it is, in a thread of its own that waits wherever the real one would block; one
at a time is let go, in the order of simulated time, so that a story is told the same way twice.
Writes take effect late, after their time-out or never, answers are lost, clocks run differently,
processes are frozen, Rays die; systemd's watchdog kills what is frozen too long.
"""

import heapq
import itertools
from collections.abc import Callable
from functools import partial
from random import Random
from threading import Semaphore, Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.errands import Errands
from node.guard import Guard
from node.lease import Lease
from node.lease_table import LeaseItem, Refused, Unknown
from node.phases import Limits
from node.settings import NotFit
from tests.unit.node.fakes import AtOnce, FakeRay, FakeServices, MemoryTable, silent

TIMEOUT = 2.0  # a second to connect, a second to read: node/clients.py
WATCHDOG = 7.0  # ray-head.service
STORY = 90.0
CALM = 45.0  # without faults, at the end
PATIENT = Limits(failures=10_000, unhealthy=3.0, pause=1.0)  # more happens in a story


class Killed(BaseException):
    """systemd has killed this guard's process."""


class Stage:
    """Simulated time; lets one actor run at a time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.over = False
        self.errors: list[BaseException] = []
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._back = Semaphore(0)

    def at(self, time: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (time, next(self._order), act))

    def actor(self, play: Callable[[], None]) -> None:
        """Have ``play`` run from now on; it may call ``wait``."""
        thread = Thread(target=self._played, args=(play,), daemon=True)
        self.at(self.now, lambda: self._let_go(thread.start))

    def wait(self, seconds: float) -> None:
        turn = Semaphore(0)
        self.at(self.now + seconds, lambda: self._let_go(turn.release))
        self._back.release()
        turn.acquire()
        if self.over:
            raise Killed

    def run(self, until: float) -> None:
        while self._queue and self._queue[0][0] <= until and not self.errors:
            self.now, _, act = heapq.heappop(self._queue)
            act()
        self.now = until

    def end(self) -> None:
        """Let every actor that still waits end."""
        self.over = True
        while self._queue:
            heapq.heappop(self._queue)[2]()

    def _let_go(self, go: Callable[[], None]) -> None:
        go()
        self._back.acquire()

    def _played(self, play: Callable[[], None]) -> None:
        try:
            play()
        except Killed:
            pass
        except BaseException as error:
            self.errors.append(error)
        self._back.release()


class Network:
    """A guard's way to the table: slow, lossy, and at times the process itself is frozen."""

    def __init__(self, stage: Stage, table: MemoryTable, random: Random, trouble: float) -> None:
        self._stage, self._table, self._random, self._trouble = stage, table, random, trouble

    def read(self) -> LeaseItem | None:
        found: LeaseItem | None = self._call(self._table.read)
        return found

    def take(self, seen: LeaseItem | None, holder: str, address: str, autoscaler: str) -> None:
        self._call(lambda: self._table.take(seen, holder, address, autoscaler))

    def renew(self, epoch: int, holder: str, autoscaler: str) -> LeaseItem:
        item: LeaseItem = self._call(lambda: self._table.renew(epoch, holder, autoscaler))
        return item

    def release(self, epoch: int, holder: str) -> None:
        self._call(lambda: self._table.release(epoch, holder))

    def _call(self, operation: Callable[[], Any]) -> Any:
        there, back, lost, frozen = self._fate()
        outcomes: list[tuple[Any, Exception | None]] = []

        def arrive() -> None:
            try:
                outcomes.append((operation(), None))
            except Refused as refused:
                outcomes.append((None, refused))

        if not lost:
            self._stage.at(self._stage.now + there, arrive)
        self._stage.wait(min(there + back, TIMEOUT))
        answered = not lost and there + back < TIMEOUT
        self._stage.wait(frozen)  # stopped between the answer and its being looked at
        if not answered:
            raise Unknown("no answer")
        value, error = outcomes[0]
        if error:
            raise error
        return value

    def _fate(self) -> tuple[float, float, bool, float]:
        """Return seconds there and back, whether the call is lost, seconds frozen afterwards."""
        chance = self._random.random
        if chance() >= self._trouble or self._stage.now > STORY:
            return 0.01, 0.01, False, 0.0
        there = self._random.choice([0.01, 0.1, 0.5, 0.9, 1.5, 5.0, 11.0, 25.0])
        back = self._random.choice([0.0, 0.5, 1.2, 3.0])
        frozen = self._random.choice([0.0] * 8 + [1.0, 4.0, 6.5, 30.0])
        return there, back, chance() < 0.3, frozen


class Machine:
    """One head instance: systemd, which restarts the guard, and Ray below it."""

    def __init__(self, stage: Stage, name: str, table: MemoryTable, random: Random) -> None:
        self._stage, self.name, self._random = stage, name, random
        self._trouble = random.choice([0.0, 0.1, 0.3, 0.6])
        self._ray_trouble = random.choice([0.0, 0.01, 0.05])  # each quarter of a second
        self._rate, self._offset = random.uniform(0.97, 1.03), random.uniform(0, 1e6)
        self._network = Network(stage, table, random, self._trouble)
        self.ray = FakeRay(self.clock, boot=random.uniform(1, 8))
        self.guard: Guard | None = None
        self._life = 0
        self._deadline = float("inf")

    def clock(self) -> float:
        return self._offset + self._rate * self._stage.now

    def boot(self) -> None:
        """Start the guard's process anew; what ran before is dead."""
        self._life += 1
        self._deadline = float("inf")
        self.ray.die()
        self.ray.responsive, self.ray.stubborn = True, False
        life = self._life
        self._stage.actor(lambda: self._run(life))

    def _run(self, life: int) -> None:
        errands = Errands(AtOnce(), clock=self.clock, say=silent, final=NotFit)
        network = LifeBound(self._network, lambda: self._life == life)
        lease = Lease(network, self.name, self.name, clock=self.clock, say=silent)
        guard = Guard(
            lease,
            self.ray,
            FakeServices(),
            errands,
            clock=self.clock,
            say=silent,
            limits=PATIENT,
        )
        self.guard = guard
        while True:
            guard.step()
            if guard.is_vital():
                self._feed(life)
            self._stage.wait(0.25)
            if self._life != life:
                raise Killed
            self._trouble_ray()

    def _trouble_ray(self) -> None:
        """Have Ray die, hang, or refuse to die, now and then."""
        calm = self._stage.now > STORY
        self.ray.responsive = self.ray.responsive or calm
        self.ray.stubborn = self.ray.stubborn and not calm
        if calm or self._random.random() >= self._ray_trouble:
            return
        happening = self._random.choice(["dies", "hangs", "is stubborn"])
        if happening == "dies":
            self.ray.die()
        self.ray.responsive = happening != "hangs"
        self.ray.stubborn = happening == "is stubborn"

    def _feed(self, life: int) -> None:
        """Do as systemd does with WATCHDOG=1, timed by this machine's clock."""
        self._deadline = self._stage.now + WATCHDOG / self._rate
        self._stage.at(self._deadline, lambda: self._check(life))

    def _check(self, life: int) -> None:
        if self._life == life and self._stage.now >= self._deadline and not self._stage.over:
            self.boot()


class LifeBound:
    """Ends the process that waits for an answer when systemd has killed it meanwhile."""

    def __init__(self, network: Network, lives: Callable[[], bool]) -> None:
        self._network, self._lives = network, lives

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = getattr(self._network, name)

        def call(*arguments: Any) -> Any:
            try:
                return operation(*arguments)
            finally:
                if not self._lives():
                    raise Killed

        return call


def watch_for_two_heads(machines: list[Machine]) -> None:
    """Have every start of Ray check that no other Ray runs."""
    for machine in machines:
        others = [other for other in machines if other is not machine]

        def start(original: Callable[[], None] = machine.ray.start, others: Any = others) -> None:
            assert not any(other.ray.is_running() for other in others), "two heads at once"
            original()

        machine.ray.start = start  # type: ignore[method-assign]


def name_successors(stage: Stage, table: MemoryTable, names: list[str], random: Random) -> None:
    """Have a deploy name successors now and then, a dead one among them, and call it off."""
    for _ in range(random.randint(0, 12)):
        name = random.choice([*names, *names, "i-dead", ""])
        stage.at(random.uniform(5, STORY), partial(table.name_successor, name))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), heads=st.integers(2, 3))
def test_two_heads_never_run_ray_together_and_in_calm_weather_one_does(
    seed: int, heads: int
) -> None:
    random, stage, table = Random(seed), Stage(), MemoryTable()  # noqa: S311 (a story, no secret)
    machines = [Machine(stage, f"i-0{n}", table, random) for n in range(heads)]
    watch_for_two_heads(machines)
    for machine in machines:
        stage.at(random.uniform(0, 20), machine.boot)
    name_successors(stage, table, [machine.name for machine in machines], random)

    stage.run(STORY + CALM)
    leaders = [m for m in machines if m.guard and m.guard.is_leader]
    stage.end()

    assert stage.errors == []
    assert len(leaders) == 1


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_in_calm_weather_whoever_is_named_leads(seed: int) -> None:
    random, stage, table = Random(seed), Stage(), MemoryTable()  # noqa: S311 (a story, no secret)
    machines = [Machine(stage, f"i-0{n}", table, random) for n in range(3)]
    watch_for_two_heads(machines)
    for machine in machines:
        stage.at(random.uniform(0, 20), machine.boot)
    heir = random.choice(machines)

    stage.run(STORY + CALM)
    table.name_successor(heir.name)
    stage.run(STORY + CALM + 15)
    leads = heir.guard and heir.guard.is_leader
    stage.end()

    assert stage.errors == []
    assert leads


def test_the_stage_would_notice_two_heads() -> None:
    stage, table = Stage(), MemoryTable()
    machines = [Machine(stage, f"i-0{n}", table, Random(1)) for n in range(2)]  # noqa: S311
    watch_for_two_heads(machines)
    machines[0].ray.start()

    with pytest.raises(AssertionError, match="two heads"):
        machines[1].ray.start()
