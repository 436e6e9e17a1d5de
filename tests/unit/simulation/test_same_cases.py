"""What is left out of the thorough trials must be the same as what was tried, and nothing else."""

from typing import Any

import pytest

from tests.simulation.timeline import Timeline
from tests.unit.simulation.calls import Call
from tests.unit.simulation.faulty_calls import Wire
from tests.unit.simulation.same_cases import Cases


class NoCaller:
    """Sees no call."""

    title = ""

    def sends(self, call: Call, *, faulty: bool) -> None:
        """A call is about to be sent."""


class Seen:
    """A story so far, call by call."""

    def __init__(self) -> None:
        self.clock = Timeline()
        self.wire = Wire(self.clock, NoCaller())
        self.cases = Cases(self.wire, self.clock)

    def new(self, call: Call, *faults: str) -> list[str]:
        """Return which of these faults would be tried at a call."""
        return [fault for fault in faults if self.cases.is_new(call, fault)]

    def answers(self, call: Call, **answer: Any) -> None:
        """AWS answers a call."""
        if not call.only_reads:
            self.wire.changes.append(call.name)
        self.wire.answered(call, {"ResponseMetadata": object(), **answer})


KILLS = ("killed", "killed after")


def a_call(operation: str, place: str = "deploy.rollout.heads_wait:1", **arguments: Any) -> Call:
    """Return a call to EC2 from one line of deploy/."""
    return Call(1, "wait", "ec2", operation, arguments, (place,))


@pytest.fixture
def seen() -> Seen:
    """Return a story in which nothing was called yet."""
    return Seen()


LOOKS = a_call("DescribeInstances")
ENDS = a_call("TerminateInstances")


def test_dying_before_or_after_a_read_is_the_same(seen: Seen) -> None:
    assert seen.new(LOOKS, *KILLS) == ["killed"]
    seen.answers(LOOKS)
    assert seen.new(LOOKS, *KILLS) == []


def test_dying_before_or_after_a_change_is_not_the_same(seen: Seen) -> None:
    assert seen.new(ENDS, *KILLS) == ["killed", "killed after"]
    seen.answers(ENDS)
    assert seen.new(LOOKS, *KILLS) == []


def test_dying_later_is_not_the_same(seen: Seen) -> None:
    seen.new(LOOKS, *KILLS)
    seen.clock.sleep(1)
    assert seen.new(LOOKS, *KILLS) == ["killed"]


def test_a_poll_with_the_same_answer_is_the_same(seen: Seen) -> None:
    assert seen.new(LOOKS, "denied", "failing") == ["denied", "failing"]
    seen.answers(LOOKS, state="pending")
    seen.clock.sleep(1)
    assert seen.new(LOOKS, "denied", "failing") == []


@pytest.mark.parametrize(
    "other",
    [
        a_call("DescribeInstances", "deploy.rollout.heads_wait:2"),
        a_call("DescribeInstances", ids=["i-1"]),
    ],
    ids=["from another line", "another question"],
)
def test_another_read_is_not_the_same(seen: Seen, other: Call) -> None:
    seen.new(LOOKS, "denied")
    assert seen.new(other, "denied") == ["denied"]


def test_a_poll_after_another_answer_is_not_the_same(seen: Seen) -> None:
    for state, new in [("pending", ["denied"]), ("running", []), ("running", ["denied"])]:
        assert seen.new(LOOKS, "denied") == new
        seen.answers(LOOKS, state=state)


def test_a_poll_after_a_change_is_not_the_same(seen: Seen) -> None:
    seen.new(LOOKS, "denied")
    seen.answers(ENDS)
    assert seen.new(LOOKS, "denied") == ["denied"]


def test_states_differ_by_what_was_sent_and_when(seen: Seen) -> None:
    states = [seen.cases.state()]
    seen.answers(ENDS)
    states.append(seen.cases.state())
    seen.clock.sleep(1)
    states.append(seen.cases.state())

    assert len(set(states)) == 3
    seen.answers(LOOKS)
    assert seen.cases.state() == states[-1]
