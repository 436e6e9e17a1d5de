"""A departure: its notice, and the head that drains the node."""

import json
from dataclasses import dataclass, field
from unittest.mock import Mock

import pytest

from node.identity import Metadata, NoMetadata
from node.ray.gcs import Unreachable
from node.ray.protobuf import decoded
from node.worker.departure import (
    EVERY,
    GRACE,
    GROUP,
    REBALANCE,
    SPOT,
    Departure,
    Notice,
    drain_request,
    find_notice,
)
from node.worker.unit import Raylet
from tests.unit.node.fakes import FakeClock, RecordedLog, node_id_of
from tests.unit.node.worker.test_watchdog import HEAD, NEXT_HEAD, US, Node, led_by

NOW = 1_800_000_000.0
INTERRUPTION = json.dumps({"action": "terminate", "time": "2027-01-15T08:02:00Z"})
AT = 1_800_000_120.0
AT_RISK = json.dumps({"noticeTime": "2027-01-15T08:00:00Z"})


def test_an_instance_that_stays_has_no_notice() -> None:
    assert find_notice({GROUP: "InService"}.get, NOW) is None


def test_a_spot_interruption_notice_has_a_time() -> None:
    assert find_notice({SPOT: INTERRUPTION}.get, NOW) == Notice("spot interruption: terminate", AT)


def test_a_groups_notice_has_no_time() -> None:
    notice = find_notice({GROUP: "Terminated"}.get, NOW)

    assert notice == Notice("its Auto Scaling group terminates it", NOW + GRACE)


def test_a_rebalance_recommendation_leaves_as_long_as_the_group_says() -> None:
    advice = Notice("rebalance recommendation", NOW + 300, is_advice=True)

    assert find_notice({REBALANCE: AT_RISK}.get, NOW + 5, 300) == advice


def test_a_group_may_ignore_rebalance_recommendations() -> None:
    assert find_notice({REBALANCE: AT_RISK}.get, NOW) is None


def test_an_interruption_is_more_urgent_than_a_recommendation() -> None:
    notice = find_notice({REBALANCE: AT_RISK, SPOT: INTERRUPTION}.get, NOW, 300)

    assert notice == Notice("spot interruption: terminate", AT)


def test_a_drain_names_node_reason_message_and_deadline() -> None:
    fields = dict(decoded(drain_request(node_id_of(US), Notice("why", AT))))

    assert fields == {1: node_id_of(US), 2: 2, 3: b"why", 4: 1_800_000_120_000}


@dataclass
class Leaver:
    """A node with its departure; ``announced`` is what the metadata service says."""

    announced: dict[str, str] = field(default_factory=dict)
    reachable: bool = True
    head_answers: bool = True
    clock: FakeClock = field(default_factory=FakeClock)
    log: RecordedLog = field(default_factory=RecordedLog)
    drained: list[str] = field(default_factory=list)
    deadlines: list[int] = field(default_factory=list)  # seconds from NOW

    def __post_init__(self) -> None:
        began = self.clock()
        self.departure = Departure(
            metadata=self.metadata,
            drain=self.drain,
            unreachable=(Unreachable,),
            clock=self.clock,
            wall_clock=lambda: NOW + self.clock() - began,
            log=self.log,
            rebalance_seconds=300,
        )

    def metadata(self) -> Metadata:
        if not self.reachable:
            raise NoMetadata("no answer")
        return self.announced.get

    def drain(self, address: str, request: bytes) -> bool:
        if not self.head_answers:
            raise Unreachable("connection refused")
        self.drained.append(address)
        deadline = dict(decoded(request))[4]
        assert isinstance(deadline, int)
        self.deadlines.append(deadline // 1000 - int(NOW))
        return True

    def step(self, head: str = HEAD) -> bool:
        self.clock.advance(EVERY)
        return self.departure.step(led_by(head), Raylet(1, node_id_of(US)))


def test_the_head_drains_the_node_once() -> None:
    leaver = Leaver({SPOT: INTERRUPTION})

    assert [leaver.step() for _ in range(5)] == [True] * 5
    assert leaver.drained == [HEAD]


def test_the_next_head_drains_the_node_too() -> None:
    leaver = Leaver({SPOT: INTERRUPTION})

    leaver.step()
    leaver.step(NEXT_HEAD)

    assert leaver.drained == [HEAD, NEXT_HEAD]


def test_draining_is_retried_when_the_head_does_not_answer() -> None:
    leaver = Leaver({SPOT: INTERRUPTION}, head_answers=False)
    leaver.step()
    leaver.head_answers = True

    leaver.step()

    assert leaver.drained == [HEAD]


@pytest.mark.parametrize("announced", [{}, {SPOT: "not JSON"}, {SPOT: "{}"}])
def test_a_notice_that_makes_no_sense_is_ignored(announced: dict[str, str]) -> None:
    assert not Leaver(announced).step()


def test_a_notice_is_kept_while_the_metadata_service_is_unreachable() -> None:
    leaver = Leaver({SPOT: INTERRUPTION})
    leaver.step()
    leaver.reachable = False

    assert leaver.step()


def test_a_cancelled_notice_is_forgotten() -> None:
    leaver = Leaver({SPOT: INTERRUPTION})
    leaver.step()
    leaver.announced.clear()

    assert not leaver.step()


def test_a_node_at_risk_is_drained_and_given_up_only_at_its_deadline() -> None:
    leaver = Leaver({REBALANCE: AT_RISK})

    assert all(leaver.step() for _ in range(59))  # 295 s
    assert (leaver.deadlines, leaver.departure.is_overdue) == ([300], False)
    leaver.step()
    assert leaver.departure.is_overdue


def test_a_node_that_aws_takes_is_never_given_up_by_itself() -> None:
    leaver = Leaver({SPOT: INTERRUPTION})

    assert all(leaver.step() for _ in range(60))
    assert not leaver.departure.is_overdue


def test_an_interruption_after_a_recommendation_has_its_own_deadline() -> None:
    leaver = Leaver({REBALANCE: AT_RISK})
    leaver.step()
    leaver.announced[SPOT] = INTERRUPTION

    leaver.step()

    assert leaver.deadlines == [300, 120]


def test_a_recommendation_that_cannot_be_read_is_ignored() -> None:
    assert not Leaver({REBALANCE: "{}"}).step()


def test_whoever_says_that_a_node_is_leaving_is_told_its_leader_and_its_raylet() -> None:
    node = Node()
    asked = Mock(return_value=False)
    node.watchdog._is_leaving = asked

    node.run(1)

    asked.assert_called_with(node.table.item, node.unit.running)


def test_a_node_that_is_leaving_is_neither_killed_nor_given_up() -> None:
    node = Node()
    node.unit.running = None
    node.heads[HEAD].nodes.pop(US)
    node.watchdog._is_leaving = lambda *_: True

    node.run(3600)

    assert node.unit.kills == 0
    assert not node.watchdog.given_up
