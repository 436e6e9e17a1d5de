"""A clock to advance, a lease table in memory, a Ray that obeys: what surrounds a guard."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any

from node.head.background_calls import BackgroundCalls
from node.head.guard import Guard
from node.head.phases import LIMITS, Limits
from node.identity import Identity
from node.lease.lease import Lease
from node.lease.table import LeaseItem, Refused, Unknown
from node.ray.gcs import NotAdmitted, RayNode, Unreachable
from node.ray.launches import RefusedLaunches
from node.ray.token import NotFit
from node.worker.unit import Raylet

STEP = 0.25  # seconds


def an_identity(**changes: str) -> Identity:
    head = Identity(
        environment="test",
        role="head",
        head_name="ray-head.test.ray.internal",
        lease_table="raykiln-lease-test",
        secret="/ray/test/redis_password",
        metric_namespace="Ray/Head",
        lifecycle_hook="ray-head-ready",
        instance_id="i-0a",
        address="10.0.0.1",
        region="us-east-1",
        zone="us-east-1a",
        group="ray-head-asg-test",
        node_type="head",
    )
    return replace(head, **changes)


def silent(event: str, *, level: int = 6, **fields: object) -> None:
    """A log that is dropped."""


class RecordedLog:
    """A log that a test reads."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, object]]] = []

    def __call__(self, event: str, *, level: int = 6, **fields: object) -> None:
        self.lines.append((event, fields))

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.lines]


class FakeClock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


class AtOnce(Executor):
    """Runs a call when it is submitted, in the caller's thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class OnCall(AtOnce):
    """Runs calls at once too, but while ``holds`` their results come only with ``let_go``."""

    def __init__(self) -> None:
        self.holds = False
        self._held: list[tuple[Future[Any], Future[Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done = super().submit(fn, *args, **kwargs)
        if not self.holds:
            return done
        told: Future[Any] = Future()
        self._held.append((done, told))
        return told

    def let_go(self) -> None:
        self.holds = False
        for done, told in self._held:
            told.set_result(done.result())


class MemoryTable:
    """The lease item with DynamoDB's conditions; test_table.py compares it with moto."""

    def __init__(self) -> None:
        self.item: LeaseItem | None = None
        self.reachable = True
        self.answering = True  # False: writes take effect, their answers are lost

    def read(self) -> LeaseItem | None:
        self._arrive()
        self._answer()
        return self.item

    def take(
        self, seen: LeaseItem | None, holder: str, address: str, autoscaler: str, refused: str
    ) -> None:
        self._arrive()
        found = self.item
        same = (found and (found.epoch, found.beat)) == (seen and (seen.epoch, seen.beat))
        if not same:
            raise Refused
        epoch = seen.epoch + 1 if seen else 1
        self.item = LeaseItem(
            epoch, 0, holder, address, released=False, autoscaler=autoscaler, refused=refused
        )
        self._answer()

    def renew(self, epoch: int, holder: str, autoscaler: str, refused: str) -> LeaseItem:
        self._arrive()
        item = self._owned(epoch, holder)
        self.item = replace(item, beat=item.beat + 1, autoscaler=autoscaler, refused=refused)
        self._answer()
        return self.item

    def name_successor(self, instance_id: str) -> None:
        """Do what a deploy does; an empty name cancels the hand-over."""
        if self.item and not self.item.released:
            self.item = replace(self.item, successor=instance_id)

    def release(self, epoch: int, holder: str) -> None:
        self._arrive()
        self.item = replace(self._owned(epoch, holder), released=True)
        self._answer()

    def _owned(self, epoch: int, holder: str) -> LeaseItem:
        item = self.item
        if item is None or (item.epoch, item.holder) != (epoch, holder):
            raise Refused
        return item

    def _arrive(self) -> None:
        if not self.reachable:
            raise Unknown("the table cannot be reached")

    def _answer(self) -> None:
        if not self.answering:
            raise Unknown("the answer is lost")


class FakeRay:
    """Comes up ``boot`` seconds after its start, unless told otherwise."""

    def __init__(self, clock: Callable[[], float], boot: float = 5.0) -> None:
        self._clock, self._boot = clock, boot
        self.warmed, self.responsive, self.stubborn = True, True, False
        self.started_at: float | None = None
        self.starts = self.warm_ups = 0
        self.autoscaler_ended_at: float | None = None  # by the clock: no round after that
        self.autoscaler_restarts: list[float] = []
        self.refused: RefusedLaunches = {}

    def warm(self) -> bool:
        self.warm_ups += 1
        return self.warmed

    def start(self) -> None:
        assert self.started_at is None, "Ray is started twice"
        self.started_at = self._clock()
        self.starts += 1

    def is_running(self) -> bool:
        return self.started_at is not None

    def is_healthy(self) -> bool:
        up = self.started_at is not None and self._clock() >= self.started_at + self._boot
        return up and self.responsive

    def kill(self) -> bool:
        if not self.stubborn:
            self.started_at = None
        return self.started_at is None

    def die(self) -> None:
        self.started_at = None

    def autoscaler_round(self) -> int:
        """A round every 5 seconds, the first as soon as it is up."""
        if self.started_at is None or not self.responsive:
            raise Unreachable("UNAVAILABLE")
        now = self._clock() if self.autoscaler_ended_at is None else self.autoscaler_ended_at
        return max(0, 1 + int((now - self.started_at - self._boot) // 5))

    def restart_autoscaler(self) -> None:
        self.autoscaler_restarts.append(self._clock())

    def refused_launches(self) -> RefusedLaunches:
        return self.refused


class FakeServices:
    """Records its calls; ``failing`` names methods and the error that they raise."""

    def __init__(self) -> None:
        self.failing: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.sent: list[dict[str, float]] = []
        self.autoscaler_uri = self.autoscaler_refused = ""

    def prepare(self) -> None:
        self._note("prepare")

    def refresh_autoscaler(self) -> None:
        self._note("refresh_autoscaler")

    def refresh_secret(self) -> None:
        self._note("refresh_secret")

    def tag(self) -> None:
        self._note("tag")

    def send(self, values: dict[str, float]) -> None:
        self._note("send")
        self.sent.append(values)

    def complete_launch(self) -> None:
        self._note("complete_launch")

    def _note(self, name: str) -> None:
        self.asked.append(name)
        if name in self.failing:
            raise self.failing[name]


class FakeRelay:
    """The address it relays to, and whether that one answers."""

    def __init__(self) -> None:
        self.address, self.reachable, self.blocked = "", True, False

    @property
    def is_open(self) -> bool:
        return bool(self.address)

    def follow(self, address: str) -> None:
        self.address = "" if self.blocked else address

    def close(self) -> None:
        self.address = ""

    def reaches(self) -> bool:
        return self.reachable


class FakeHead:
    """A guard with everything around it; ``run`` steps it every ``STEP``."""

    def __init__(
        self,
        table: MemoryTable,
        clock: FakeClock,
        name: str = "i-0a",
        limits: Limits = LIMITS,
        executor: Executor | None = None,
    ) -> None:
        self.clock, self.table = clock, table
        self.ray, self.services, self.log = FakeRay(clock), FakeServices(), RecordedLog()
        self.relay = FakeRelay()
        background_calls = BackgroundCalls(
            executor or AtOnce(), clock=clock, log=self.log, final=NotFit
        )
        self.lease = Lease(table, name, f"address-of-{name}", clock=clock, log=self.log)
        self.guard = Guard(
            self.lease,
            self.ray,
            self.relay,
            self.services,
            background_calls,
            clock=clock,
            log=self.log,
            limits=limits,
        )

    def run(self, seconds: float) -> None:
        run_all([self], seconds)


def run_all(heads: list[FakeHead], seconds: float) -> None:
    """Let time pass for all of them."""
    for _ in range(round(seconds / STEP)):
        for head in heads:
            head.guard.step()
        heads[0].clock.advance(STEP)


class FakeGcs:
    """A head's GCS; unreachable until it has nodes."""

    def __init__(self, *addresses: str) -> None:
        self.nodes = {address: RayNode(node_id_of(address), address) for address in addresses}
        self.admits = True

    def alive_nodes(self) -> tuple[RayNode, ...]:
        self._arrive()
        return tuple(self.nodes.values())

    def is_alive(self, node_id: bytes) -> bool:
        self._arrive()
        return any(node.node_id == node_id for node in self.nodes.values())

    def autoscaler_round(self) -> int:
        self._arrive()
        return 1

    def _arrive(self) -> None:
        if not self.nodes:
            raise Unreachable("connection refused")
        if not self.admits:
            raise NotAdmitted("the token is refused")


def node_id_of(address: str) -> bytes:
    return address.encode().ljust(28, b".")


class FakeUnit:
    """ray-worker.service: whatever the test says runs in it."""

    def __init__(self) -> None:
        self.running: Raylet | None = None
        self.kills = 0

    def raylet(self) -> Raylet | None:
        return self.running

    def kill(self) -> None:
        self.kills += 1
        self.running = None
