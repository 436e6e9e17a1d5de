"""The worker's watchdog: what it acts on, and what it leaves alone."""

from dataclasses import dataclass, field, replace

import pytest

from node.lease.table import LeaseItem
from node.ray.gcs import Gcs
from node.worker.unit import Raylet
from node.worker.watchdog import TIMEOUTS, NodeState, Watchdog
from tests.unit.node.fakes import FakeClock, FakeGcs, FakeUnit, MemoryTable, RecordedLog, node_id_of

HEAD, NEXT_HEAD, US = "10.0.0.1", "10.0.0.2", "10.0.0.9"


def led_by(address: str, epoch: int = 1) -> LeaseItem:
    return LeaseItem(epoch, 0, f"i-{epoch}", address, released=False)


@dataclass
class Node:
    """A worker in a cluster; by default it is alive."""

    clock: FakeClock = field(default_factory=FakeClock)
    table: MemoryTable = field(default_factory=MemoryTable)
    unit: FakeUnit = field(default_factory=FakeUnit)
    log: RecordedLog = field(default_factory=RecordedLog)
    followed: list[str] = field(default_factory=list)
    heads: dict[str, FakeGcs] = field(default_factory=dict)
    outlives_heads: bool = False

    def __post_init__(self) -> None:
        self.table.item = led_by(HEAD)
        self.heads = {HEAD: FakeGcs(HEAD, US)}
        self.start_raylet(pid=1)
        self.watchdog = Watchdog(
            self.table,
            self.unit,
            gcs=self.gcs,
            follow=self.followed.append,
            clock=self.clock,
            log=self.log,
            outlives_heads=self.outlives_heads,
        )

    def gcs(self, address: str) -> Gcs:
        return self.heads.setdefault(address, FakeGcs())

    def start_raylet(self, pid: int, known_as: str = US) -> None:
        self.unit.running = Raylet(pid, node_id_of(known_as))

    def run(self, seconds: float) -> None:
        end = self.clock() + seconds
        while self.clock() < end and not self.watchdog.given_up:
            self.clock.advance(self.watchdog.step())


@pytest.fixture
def node() -> Node:
    node = Node()
    node.run(5)
    assert node.watchdog.node_state is NodeState.ALIVE
    return node


def test_a_node_that_is_alive_is_left_alone(node: Node) -> None:
    node.run(3600)

    assert node.unit.kills == 0


def test_the_lease_is_not_read_while_the_node_is_alive(node: Node) -> None:
    node.table.item = led_by(NEXT_HEAD, epoch=2)

    node.run(60)

    assert node.followed[-1] == HEAD


def test_an_unreachable_head_is_no_reason_to_act(node: Node) -> None:
    node.heads[HEAD].nodes.clear()

    node.run(3600)

    assert node.unit.kills == 0
    assert not node.watchdog.given_up


def test_an_unreadable_lease_is_no_reason_to_act(node: Node) -> None:
    node.heads[HEAD].nodes.clear()
    node.table.reachable = False

    node.run(3600)

    assert node.unit.kills == 0
    assert node.followed[-1] == HEAD


def test_the_name_follows_a_new_leader_within_seconds(node: Node) -> None:
    node.heads[HEAD].nodes.clear()
    node.table.item = led_by(NEXT_HEAD, epoch=2)

    node.run(6)

    assert node.followed[-1] == NEXT_HEAD
    assert "new leader" in node.log.events


def test_a_leader_that_released_its_lease_is_followed_until_there_is_another(node: Node) -> None:
    node.heads[HEAD].nodes.clear()
    node.table.item = LeaseItem(2, 0, "i-2", NEXT_HEAD, released=True)

    node.run(10)

    assert node.followed[-1] == HEAD


@pytest.mark.parametrize(
    "item",
    [led_by(NEXT_HEAD, epoch=2), led_by(HEAD, epoch=2), replace(led_by(HEAD), released=True)],
    ids=["another leads", "the same one anew", "given up"],
)
def test_a_raylet_whose_epoch_is_over_is_killed_once_before_the_next_head_is_up(
    node: Node, item: LeaseItem
) -> None:
    node.heads[HEAD].nodes.clear()
    node.table.item = item

    node.run(6)
    assert node.unit.kills == 1
    node.start_raylet(pid=2)
    node.run(60)

    assert node.unit.kills == 1


def test_a_raylet_that_joined_the_next_head_is_not_killed(node: Node) -> None:
    node.start_raylet(pid=2)
    node.heads[HEAD].nodes.clear()
    node.heads[NEXT_HEAD] = FakeGcs(NEXT_HEAD, US)
    node.table.item = led_by(NEXT_HEAD, epoch=2)

    node.run(600)

    assert node.unit.kills == 0


def test_a_raylet_of_the_last_head_is_killed_when_the_next_does_not_know_it(
    node: Node,
) -> None:
    node.heads[HEAD].nodes.clear()
    node.heads[NEXT_HEAD] = FakeGcs(NEXT_HEAD)
    node.table.item = led_by(NEXT_HEAD, epoch=2)

    node.run(8)

    assert node.unit.kills == 1


def test_a_raylet_that_the_next_head_knows_is_left_alone() -> None:
    node = Node(outlives_heads=True)
    node.run(5)
    node.heads[HEAD].nodes.clear()
    node.table.item = led_by(NEXT_HEAD, epoch=2)
    node.run(60)
    node.heads[NEXT_HEAD] = FakeGcs(NEXT_HEAD, US)

    node.run(600)

    assert node.unit.kills == 0


def test_one_failed_check_does_not_count(node: Node) -> None:
    us = node.heads[HEAD].nodes.pop(US)
    node.watchdog.step()
    node.heads[HEAD].nodes[US] = us

    node.run(60)

    assert node.unit.kills == 0


def test_failed_checks_with_an_unreachable_head_between_are_not_in_a_row(node: Node) -> None:
    us = node.heads[HEAD].nodes.pop(US)
    node.watchdog.step()
    nodes = node.heads[HEAD].nodes
    node.heads[HEAD].nodes = {}
    node.watchdog.step()
    node.heads[HEAD].nodes = nodes
    node.watchdog.step()
    node.heads[HEAD].nodes[US] = us

    node.run(60)

    assert node.unit.kills == 0


def test_a_raylet_with_a_refused_token_is_restarted(node: Node) -> None:
    node.heads[HEAD].admits = False

    node.run(6)

    assert node.unit.kills == 1


def test_a_new_raylet_has_time_to_register(node: Node) -> None:
    node.heads[HEAD].nodes.pop(US)
    node.start_raylet(pid=2)

    node.run(TIMEOUTS.start - 3)
    assert node.unit.kills == 0
    node.run(6)
    assert node.unit.kills == 1


def test_a_unit_that_lost_its_raylet_and_got_no_other_is_killed(node: Node) -> None:
    node.unit.running = None
    node.heads[HEAD].nodes.pop(US)

    node.run(TIMEOUTS.start - 3)
    assert node.unit.kills == 0
    node.run(6)
    assert node.unit.kills == 1


def test_a_unit_that_waits_for_a_head_is_left_alone(node: Node) -> None:
    node.unit.running = None
    node.heads[HEAD].nodes.clear()

    node.run(3600)

    assert node.unit.kills == 0


def test_the_first_raylet_has_more_time() -> None:
    node = Node()
    node.unit.running = None
    node.heads[HEAD].nodes.pop(US)

    node.run(TIMEOUTS.first_start - 5)
    assert node.unit.kills == 0
    node.run(10)
    assert node.unit.kills == 1


def test_kills_back_off_and_then_the_instance_is_given_up(node: Node) -> None:
    node.heads[HEAD].nodes.pop(US)

    node.run(3600)

    assert 3 <= node.unit.kills <= TIMEOUTS.give_up / TIMEOUTS.start
    assert "not in the cluster for 6" in node.watchdog.given_up


def test_a_node_that_is_alive_again_starts_from_zero(node: Node) -> None:
    us = node.heads[HEAD].nodes.pop(US)
    node.run(TIMEOUTS.give_up - 60)
    node.heads[HEAD].nodes[US] = us
    node.start_raylet(pid=3)
    node.run(10)
    node.heads[HEAD].nodes.pop(US)

    node.run(TIMEOUTS.give_up - 60)

    assert not node.watchdog.given_up


def test_time_without_a_head_does_not_count_against_the_node(node: Node) -> None:
    node.unit.running = None
    node.heads[HEAD].nodes.pop(US)
    node.run(TIMEOUTS.give_up - 60)
    node.heads[HEAD].nodes.clear()
    node.run(300)
    node.heads[HEAD].nodes[HEAD] = FakeGcs(HEAD).nodes[HEAD]

    node.run(300)

    assert not node.watchdog.given_up
