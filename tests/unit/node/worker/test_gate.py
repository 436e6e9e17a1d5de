"""When a worker may start Ray."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from node.lease.table import LeaseItem
from node.ray.gcs import Gcs
from node.worker.gate import NAME_TIMEOUT, Gate, jittered
from tests.unit.node.fakes import FakeClock, FakeGcs, MemoryTable, RecordedLog

NAME, HEAD, BALANCER = "ray-head.test.ray.internal", "10.0.0.1", "10.0.0.100"


@dataclass
class Worker:
    clock: FakeClock = field(default_factory=FakeClock)
    table: MemoryTable = field(default_factory=MemoryTable)
    log: RecordedLog = field(default_factory=RecordedLog)
    names: dict[str, str] = field(default_factory=lambda: {NAME: HEAD})
    heads: dict[str, FakeGcs] = field(default_factory=lambda: {HEAD: FakeGcs(HEAD)})
    refreshed: int = 0

    def __post_init__(self) -> None:
        self.table.item = LeaseItem(1, 0, "i-0a", HEAD, released=False)
        self.gate = Gate(
            self.table,
            NAME,
            resolve=self.resolve,
            gcs=self.gcs,
            refresh_secret=self.refresh,
            clock=self.clock,
            log=self.log,
        )

    def resolve(self, name: str) -> str:
        if name not in self.names:
            raise OSError(f"{name} is not known")
        return self.names[name]

    def gcs(self, address: str) -> Gcs:
        return self.heads.setdefault(address, FakeGcs())

    def refresh(self) -> None:
        self.refreshed += 1

    def opens_within(self, seconds: float) -> bool:
        end = self.clock() + seconds
        while self.clock() <= end:
            if self.gate.step():
                return True
            self.clock.advance(1)
        return False


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_the_gate_opens_when_the_leader_is_alive_and_its_name_resolves_to_it(
    worker: Worker,
) -> None:
    assert worker.gate.step()


def test_the_gate_is_closed_without_a_leader(worker: Worker) -> None:
    worker.table.item = None

    assert not worker.opens_within(60)


def test_the_gate_is_closed_while_the_lease_is_released(worker: Worker) -> None:
    worker.table.item = LeaseItem(1, 0, "i-0a", HEAD, released=True)

    assert not worker.opens_within(60)


def test_the_gate_is_closed_while_the_leaders_gcs_does_not_answer(worker: Worker) -> None:
    worker.heads[HEAD].nodes.clear()

    assert not worker.opens_within(60)


def test_the_gate_is_closed_until_the_leaders_own_raylet_is_alive(worker: Worker) -> None:
    worker.heads[HEAD] = FakeGcs("10.0.0.7")

    assert not worker.opens_within(60)


def test_the_gate_is_closed_while_the_name_resolves_to_the_last_head(worker: Worker) -> None:
    worker.names[NAME] = "10.0.0.3"

    assert not worker.opens_within(NAME_TIMEOUT - 2)
    worker.names[NAME] = HEAD
    assert worker.gate.step()


def test_without_a_watchdog_the_load_balancers_address_is_enough(worker: Worker) -> None:
    worker.names[NAME] = BALANCER

    assert worker.opens_within(NAME_TIMEOUT + 1)


def test_the_gate_is_closed_while_the_name_does_not_resolve(worker: Worker) -> None:
    worker.names.clear()

    assert not worker.opens_within(60)


def test_while_the_lease_is_unreadable_the_name_is_used(worker: Worker) -> None:
    worker.table.reachable = False
    worker.names[NAME] = BALANCER
    worker.heads[BALANCER] = FakeGcs(HEAD)

    assert worker.opens_within(NAME_TIMEOUT + 1)


def test_a_refused_token_is_fetched_again_but_not_at_every_check(worker: Worker) -> None:
    worker.heads[HEAD].admits = False

    assert not worker.opens_within(20)
    assert 3 <= worker.refreshed <= 4


def test_a_reason_is_logged_once(worker: Worker) -> None:
    worker.table.item = None

    worker.opens_within(60)

    assert worker.log.events == ["gate closed"]


def a_patient_worker(rejoin_seconds: float) -> Worker:
    worker = Worker()
    worker.gate = Gate(
        worker.table,
        NAME,
        resolve=worker.resolve,
        gcs=worker.gcs,
        refresh_secret=worker.refresh,
        clock=worker.clock,
        log=worker.log,
        rejoin_seconds=rejoin_seconds,
    )
    return worker


def test_a_worker_that_waits_its_jitter_makes_no_calls() -> None:
    worker = a_patient_worker(rejoin_seconds=1e6)
    assert not worker.gate.step()
    worker.heads.clear()

    assert not worker.opens_within(100)
    assert worker.log.events.count("gate closed") == 1


def test_a_head_lost_during_the_jitter_restarts_it() -> None:
    worker = a_patient_worker(rejoin_seconds=10)
    worker.gate.step()
    worker.heads[HEAD].nodes.clear()
    worker.clock.advance(10)
    assert not worker.gate.step()
    worker.heads[HEAD] = FakeGcs(HEAD)

    assert worker.opens_within(12)


@pytest.mark.parametrize(("drawn", "seconds"), [(min, 5.0), (max, 15.0)])
def test_a_pause_is_up_to_a_half_longer_or_shorter(
    drawn: Callable[[float, float], float], seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", drawn)

    assert jittered(10.0) == seconds
