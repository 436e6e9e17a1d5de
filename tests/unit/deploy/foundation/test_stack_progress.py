"""A stack is followed event by event, and a failure names its causes."""

from typing import Any

import pytest

from deploy.foundation.stack_progress import EventFollower, StackEvent, stack_failure
from tests.unit.answers import Answers

KIND = "AWS::EC2::SecurityGroup"


def event(number: int, status: str = "CREATE_IN_PROGRESS", **changes: str) -> dict[str, str]:
    return {
        "EventId": f"e-{number}",
        "LogicalResourceId": f"Thing{number}",
        "ResourceType": KIND,
        "ResourceStatus": status,
    } | changes


def follower(*pages: list[dict[str, str]]) -> tuple[EventFollower, list[str]]:
    """Return a follower of a stack whose events, newest first, are these at each look."""
    answers = [{"StackEvents": events} for events in pages]
    said: list[str] = []
    aws: Any = Answers(describe_stack_events=answers)
    return EventFollower.from_now(aws, "arn:stack", said.append), said


def test_each_new_event_is_told_once_oldest_first() -> None:
    failed = event(3, "CREATE_FAILED", ResourceStatusReason="no room")
    found, said = follower(
        [event(1)], [event(2), event(1)], [failed, event(2), event(1)], [failed, event(2)]
    )

    for _ in range(3):
        found.look()

    assert said == [
        f"Thing2 ({KIND}) CREATE_IN_PROGRESS",
        f"Thing3 ({KIND}) CREATE_FAILED: no room",
    ]
    assert [one.id for one in found.events] == ["e-2", "e-3"]
    asked: Any = found.clients
    assert (
        asked.requests == [("cloudformation:describe_stack_events", {"StackName": "arn:stack"})] * 4
    )


def test_a_stack_without_events_is_followed_from_its_first() -> None:
    found, said = follower([], [event(1)])

    found.look()

    assert said == [f"Thing1 ({KIND}) CREATE_IN_PROGRESS"]


def an_event(status: str, reason: str = "", kind: str = KIND) -> StackEvent:
    return StackEvent("e-1", "Thing", kind, status, reason)


@pytest.mark.parametrize(
    ("status", "reason", "is_cause"),
    [
        ("CREATE_FAILED", "no room", True),
        ("DELETE_FAILED", "", True),
        ("CREATE_FAILED", "Resource creation cancelled", False),
        ("UPDATE_FAILED", "Resource update cancelled", False),
        ("CREATE_COMPLETE", "", False),
    ],
)
def test_what_was_cancelled_because_something_else_failed_is_no_cause(
    status: str, reason: str, is_cause: bool
) -> None:
    assert an_event(status, reason).is_cause is is_cause


def test_the_stack_s_own_failure_counts_where_no_resource_s_does() -> None:
    own = an_event("ROLLBACK_FAILED", "gave up", "AWS::CloudFormation::Stack")
    resource = an_event("CREATE_FAILED", "no room")
    found, _ = follower([])

    found.events = [own]
    assert found.causes() == (own,)
    found.events = [own, resource]
    assert found.causes() == (resource,)


def a_stack(status: str, reason: str = "") -> Any:
    class Ended:
        name = "raykiln-dev"

    ended: Any = Ended()
    ended.status, ended.reason = status, reason
    return ended


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (
            "UPDATE_ROLLBACK_FAILED",
            "fix what is named, then `aws cloudformation continue-update-rollback "
            "--stack-name raykiln-dev` and deploy again",
        ),
        ("DELETE_FAILED", "delete what still uses the named resource, then destroy again"),
        (
            "ROLLBACK_COMPLETE",
            "no partial resources are left running; fix what is named and deploy again",
        ),
    ],
)
def test_a_failure_names_its_causes_and_what_to_do(status: str, hint: str) -> None:
    found, _ = follower([])
    found.events = [an_event("CREATE_FAILED", "no room"), an_event("CREATE_FAILED", "no quota")]

    error = stack_failure(a_stack(status), found)

    assert error.message == (
        f"the stack raykiln-dev ended as {status}\n"
        f"  Thing ({KIND}) CREATE_FAILED: no room\n"
        f"  Thing ({KIND}) CREATE_FAILED: no quota"
    )
    assert error.hint == hint


@pytest.mark.parametrize(("reason", "words"), [("why", "why"), ("", "no reason given")])
def test_without_a_cause_the_stack_s_own_reason_is_named(reason: str, words: str) -> None:
    found, _ = follower([])

    error = stack_failure(a_stack("ROLLBACK_COMPLETE", reason), found)

    assert error.message == f"the stack raykiln-dev ended as ROLLBACK_COMPLETE\n  {words}"
