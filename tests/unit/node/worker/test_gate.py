"""When a worker may start Ray."""

from dataclasses import dataclass, field

import pytest

from node.lease.table import LeaseItem
from node.ray.gcs import Gcs
from node.worker.gate import NAME_TIMEOUT, Gate
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


def test_the_gate_is_open_when_the_leader_lives_and_its_name_leads_there(worker: Worker) -> None:
    assert worker.gate.step()


def test_nobody_leads(worker: Worker) -> None:
    worker.table.item = None

    assert not worker.opens_within(60)


def test_a_lease_that_was_given_up_has_no_leader(worker: Worker) -> None:
    worker.table.item = LeaseItem(1, 0, "i-0a", HEAD, released=True)

    assert not worker.opens_within(60)


def test_the_leaders_gcs_does_not_answer(worker: Worker) -> None:
    worker.heads[HEAD].nodes.clear()

    assert not worker.opens_within(60)


def test_the_leaders_own_raylet_is_not_alive_yet(worker: Worker) -> None:
    worker.heads[HEAD] = FakeGcs("10.0.0.7")

    assert not worker.opens_within(60)


def test_a_name_that_still_leads_to_the_last_head_is_waited_for(worker: Worker) -> None:
    worker.names[NAME] = "10.0.0.3"

    assert not worker.opens_within(NAME_TIMEOUT - 2)
    worker.names[NAME] = HEAD
    assert worker.gate.step()


def test_without_a_watchdog_the_load_balancer_will_do(worker: Worker) -> None:
    worker.names[NAME] = BALANCER

    assert worker.opens_within(NAME_TIMEOUT + 1)


def test_a_name_that_nobody_knows_leads_nowhere(worker: Worker) -> None:
    worker.names.clear()

    assert not worker.opens_within(60)


def test_with_the_lease_unreadable_the_name_says_who_leads(worker: Worker) -> None:
    worker.table.reachable = False
    worker.names[NAME] = BALANCER
    worker.heads[BALANCER] = FakeGcs(HEAD)

    assert worker.opens_within(NAME_TIMEOUT + 1)


def test_a_refused_token_is_fetched_again_but_not_at_every_look(worker: Worker) -> None:
    worker.heads[HEAD].admits = False

    assert not worker.opens_within(20)
    assert 3 <= worker.refreshed <= 4


def test_a_reason_is_said_once(worker: Worker) -> None:
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


def test_a_worker_that_waits_for_its_turn_asks_nobody_meanwhile() -> None:
    worker = a_patient_worker(rejoin_seconds=1e6)
    assert not worker.gate.step()
    worker.heads.clear()

    assert not worker.opens_within(100)
    assert worker.log.events.count("gate closed") == 1


def test_a_head_that_is_lost_before_our_turn_costs_the_turn() -> None:
    worker = a_patient_worker(rejoin_seconds=10)
    worker.gate.step()
    worker.heads[HEAD].nodes.clear()
    worker.clock.advance(10)
    assert not worker.gate.step()
    worker.heads[HEAD] = FakeGcs(HEAD)

    assert worker.opens_within(12)
