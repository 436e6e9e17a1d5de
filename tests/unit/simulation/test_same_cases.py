"""What is left out of the thorough trials must be the same as what was tried, and nothing else."""

import json
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest

from tests.simulation.timeline import Timeline
from tests.unit.simulation.calls import Call, Change, change
from tests.unit.simulation.conftest import ROOT
from tests.unit.simulation.faulty_calls import ANSWERS, Wire
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
            self.wire.changes.append(Change(self.clock.now(), call, str(call.arguments)))
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


@pytest.mark.parametrize(
    ("command", "new"),
    [
        ("ray status", ["killed"]),
        ("ray drain-node", ["killed", "killed after"]),
        ("systemctl restart ray-head", ["killed", "killed after"]),
    ],
)
def test_of_commands_on_a_head_some_change_something(
    seen: Seen, command: str, new: list[str]
) -> None:
    call = Call(1, "wait", "ssm", "SendCommand", {"Parameters": {"commands": [command]}})
    assert seen.new(call, *KILLS) == new


def test_dying_later_is_not_the_same(seen: Seen) -> None:
    seen.new(LOOKS, *KILLS)
    seen.clock.sleep(1)
    assert seen.new(LOOKS, *KILLS) == ["killed"]


def test_a_poll_is_the_same_whatever_was_answered(seen: Seen) -> None:
    assert seen.new(LOOKS, "denied", "timed out") == ["denied", "timed out"]
    for state in ("pending", "running"):
        seen.answers(LOOKS, state=state)
        seen.clock.sleep(1)
        assert seen.new(LOOKS, "denied", "timed out") == []


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


def test_a_change_after_another_answer_is_not_the_same(seen: Seen) -> None:
    for state, new in [("pending", ["denied"]), ("running", []), ("running", ["denied"])]:
        assert seen.new(ENDS, "denied") == new
        seen.answers(LOOKS, state=state)


def test_a_change_after_a_change_is_not_the_same(seen: Seen) -> None:
    seen.new(ENDS, "denied")
    seen.answers(ENDS)
    assert seen.new(ENDS, "denied") == ["denied"]


def test_a_failing_call_is_the_same_as_a_throttled_one(seen: Seen) -> None:
    assert seen.new(LOOKS, "throttled", "failing", "denied") == ["throttled", "denied"]


def test_deploy_does_not_tell_a_failing_call_from_a_throttled_one() -> None:
    codes = {code for fault in ("throttled", "failing") for code, _ in ANSWERS[fault].values()}
    sources = [path for folder in ("common", "deploy") for path in (ROOT / folder).rglob("*.py")]
    named = {p.name for p in sources if any(code in p.read_text() for code in codes)}
    assert named <= {"error_hints.py"}  # what is said about it


def test_states_differ_by_what_was_sent_and_when(seen: Seen) -> None:
    states = [seen.cases.state()]
    seen.answers(ENDS)
    states.append(seen.cases.state())
    for seconds in (1, 3, 12, 48):
        seen.clock.sleep(seconds)
        states.append(seen.cases.state())

    assert len(set(states)) == 6
    seen.answers(LOOKS)
    assert seen.cases.state() == states[-1]
    seen.clock.sleep(1000)  # it is more than a minute anyway
    assert seen.cases.state() == states[-1]


def test_states_differ_by_how_long_ago_each_change_was() -> None:
    states = set()
    for seconds in (0.5, 16, 60, 70):
        seen = Seen()
        seen.answers(LOOKS)
        seen.answers(a_call("CreateTags"))
        seen.clock.sleep(seconds)
        seen.answers(ENDS)
        states.add(seen.cases.state())

    assert len(states) == 3  # 16 seconds and 60 are the same


def test_of_the_lock_counts_whether_it_is_held(seen: Seen) -> None:
    lock = {"cluster": {"S": "dev#deploy"}}
    free = seen.cases.state()

    seen.answers(lock_call("PutItem", Item=lock))
    held = seen.cases.state()
    seen.clock.sleep(0.5)
    seen.answers(lock_call("UpdateItem", Key=lock))

    assert seen.cases.state() == held != free
    seen.answers(lock_call("DeleteItem", Key=lock))
    assert seen.cases.state() == free


def test_of_a_journal_counts_its_verdict(seen: Seen) -> None:
    states = []
    for verdict, entries in [("running", 0), ("running", 1), ("failed", 1)]:
        body = json.dumps({"verdict": verdict, "entries": entries})
        request = AWSPreparedRequest("PUT", "/dev/rollouts/1.json", {}, body, stream_output=False)
        call = Call(1, "wait", "s3", "PutObject", {"Key": "dev/rollouts/1.json"})
        seen.wire.changes.append(change(seen.clock.now(), call, request))
        states.append(seen.cases.state())

    assert states[0] == states[1] != states[2]


def test_what_people_are_told_does_not_count(seen: Seen) -> None:
    before = seen.cases.state()
    seen.answers(Call(1, "wait", "sns", "Publish", {"Message": "it failed"}))
    assert seen.cases.state() == before


def lock_call(operation: str, **arguments: Any) -> Call:
    """Return a call about the deploy lock."""
    return Call(1, "wait", "dynamodb", operation, arguments)
