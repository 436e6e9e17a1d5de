"""Run Command: what is sent, and when there is a result."""

from typing import Any

import pytest

from common.errors import TimedOut
from deploy.cluster.resolved import resolve_on
from deploy.cluster.run_command import CommandResult, run_command
from tests.unit.answers import Answers, refused
from tests.unit.localcloud.fakes import FakeClock

SENT = {"Command": {"CommandId": "c-1"}}


def invocation(status: str, output: str = "", code: int = 0, error: str = "") -> dict[str, Any]:
    return {
        "Status": status,
        "ResponseCode": code,
        "StandardOutputContent": output,
        "StandardErrorContent": error,
    }


def test_a_command_is_sent_once_and_its_result_awaited() -> None:
    not_there = refused("InvocationDoesNotExist")
    answers = [not_there, *map(invocation, ("Pending", "InProgress", "Delayed", "Cancelling"))]
    aws: Any = Answers(
        send_command=SENT,
        get_command_invocation=[*answers, invocation("Failed", "out", 3, "err")],
    )
    clock = FakeClock()
    began = clock.now()

    found = run_command(aws, "i-1", "uptime", clock=clock, seconds=9.6)

    assert found == CommandResult("Failed", 3, "out", "err")
    assert not found.succeeded
    assert clock.now() - began == 5 * 0.5
    assert aws.requests[0] == (
        "ssm:send_command",
        {
            "InstanceIds": ["i-1"],
            "DocumentName": "AWS-RunShellScript",
            "TimeoutSeconds": 30,
            "Parameters": {"commands": ["uptime"], "executionTimeout": ["10"]},
        },
    )
    asked = ("ssm:get_command_invocation", {"CommandId": "c-1", "InstanceId": "i-1"})
    assert aws.requests[1:] == [asked] * 6


def test_a_command_that_exits_with_0_succeeded() -> None:
    aws: Any = Answers(send_command=SENT, get_command_invocation=invocation("Success", "out"))

    assert run_command(aws, "i-1", "true", clock=FakeClock()).succeeded


def test_without_a_result_it_says_what_was_last_seen_half_a_minute_after_the_limit() -> None:
    aws: Any = Answers(
        send_command=SENT, get_command_invocation=invocation("Pending"), cancel_command={}
    )
    clock = FakeClock()
    began = clock.now()

    with pytest.raises(TimedOut) as raised:
        run_command(aws, "i-1", "uptime", clock=clock)

    assert clock.now() - began == pytest.approx(90, abs=1)
    assert "'uptime' on i-1" in raised.value.message
    assert "Pending" in raised.value.message
    assert raised.value.hint == "is the SSM agent running on it?"


def test_a_command_that_is_given_up_is_cancelled_once() -> None:
    aws: Any = Answers(
        send_command=SENT, get_command_invocation=invocation("Pending"), cancel_command={}
    )

    with pytest.raises(TimedOut, match="last seen: Pending; it was cancelled"):
        run_command(aws, "i-1", "systemctl restart ray-head", clock=FakeClock())

    assert aws.requests[-1] == ("ssm:cancel_command", {"CommandId": "c-1"})
    assert [name for name, _ in aws.requests].count("ssm:cancel_command") == 1


def test_a_command_that_cannot_be_cancelled_may_still_run() -> None:
    aws: Any = Answers(
        send_command=SENT,
        get_command_invocation=invocation("InProgress"),
        cancel_command=refused("AccessDeniedException"),
    )

    with pytest.raises(TimedOut) as raised:
        run_command(aws, "i-1", "uptime", clock=FakeClock())

    assert "last seen: InProgress; it may still run: cancelling c-1" in raised.value.message


def test_names_are_resolved_by_the_resolver_of_an_instance() -> None:
    output = (
        "head.internal:\n10.0.0.1 STREAM head\n10.0.0.1 DGRAM\n10.0.0.2 STREAM\ngone.internal:\n"
    )
    aws: Any = Answers(
        send_command=SENT, get_command_invocation=invocation("Success", f"10.9.9.9\n{output}\n")
    )

    found = resolve_on(aws, "i-1", "head.internal", "gone.internal", clock=FakeClock())

    assert found == {
        "head.internal": frozenset({"10.0.0.1", "10.0.0.2"}),
        "gone.internal": frozenset(),
    }
    assert aws.requests[0][1]["Parameters"]["commands"] == [
        'for name in head.internal gone.internal; do echo "$name:"; '
        'getent --service=dns ahostsv4 "$name"; done; true'
    ]
