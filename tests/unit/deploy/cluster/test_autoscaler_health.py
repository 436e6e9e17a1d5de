"""What the leader's guard knows of Ray's autoscaler, and what is said of it."""

import json
from typing import Any

import pytest

from common.errors import PipelineError
from deploy.cluster.autoscaler_health import (
    AutoscalerHealth,
    NotReported,
    RefusedLaunch,
    autoscaler_health,
)
from tests.unit.answers import Answers
from tests.unit.localcloud.fakes import FakeClock

REFUSED = {
    "instance_type": "g6.xlarge",
    "market": "spot",
    "code": "InsufficientInstanceCapacity",
    "message": "no g6.xlarge there",
    "seconds_ago": 12.4,
}
HEALTH = {"working": True, "rounds": 7, "seconds_since_round": 3.2, "refused": {}}
RUNBOOK = "docs/runbooks/head-not-ready.md"


def asked(output: str, status: str = "Success", error: str = "") -> AutoscalerHealth:
    answer = {
        "Status": status,
        "ResponseCode": 0,
        "StandardOutputContent": output,
        "StandardErrorContent": error,
    }
    sent = {"Command": {"CommandId": "c-1"}}
    aws: Any = Answers(send_command=sent, get_command_invocation=answer)
    try:
        return autoscaler_health(aws, "i-1", clock=FakeClock())
    finally:
        assert aws.requests[0][1]["Parameters"] == {
            "commands": [
                "curl --silent --show-error --fail --max-time 5 http://localhost:8479/status"
            ],
            "executionTimeout": ["10"],
        }


def test_the_guard_s_answer_is_read_with_launches_in_the_order_of_groups() -> None:
    refused = {"gpu": REFUSED | {"next": "g6.2xlarge (spot)"}, "cpu": REFUSED}
    found = asked(json.dumps({"autoscaler": HEALTH | {"refused": refused}}))

    spot = ("g6.xlarge", "spot", "InsufficientInstanceCapacity", "no g6.xlarge there", 12.4)
    assert found == AutoscalerHealth(
        working=True,
        rounds=7,
        seconds_since_round=3.2,
        refused=(
            RefusedLaunch("cpu", *spot),
            RefusedLaunch("gpu", *spot, next="g6.2xlarge (spot)"),
        ),
    )


@pytest.mark.parametrize(
    ("output", "status", "message", "hint"),
    [
        ("x" * 400, "Failed", f"the guard of i-1 does not answer: {'x' * 297}err", RUNBOOK),
        ("<html>", "Success", "the guard of i-1 did not answer with JSON: '<html>'", RUNBOOK),
        (
            '{"autoscaler": null, "phase": "standing by"}',
            "Success",
            "i-1 does not lead Ray: standing by",
            RUNBOOK,
        ),
        ('{"autoscaler": null}', "Success", "i-1 does not lead Ray: no phase", RUNBOOK),
        (
            '{"phase": "leading"}',
            "Success",
            "not reported by the image of i-1",
            "bake new images and deploy them",
        ),
    ],
)
def test_any_other_answer_is_an_error(output: str, status: str, message: str, hint: str) -> None:
    with pytest.raises(PipelineError) as raised:
        asked(output, status, error="err")

    assert (raised.value.message, raised.value.hint) == (message, hint)
    assert isinstance(raised.value, NotReported) is message.startswith("not reported")


def a_refusal(**changes: Any) -> RefusedLaunch:
    given = {"group": "gpu", **REFUSED, **changes}
    return RefusedLaunch(**given)


def test_a_refused_launch_is_told_in_brief_and_in_full() -> None:
    spot = a_refusal(next="g6.2xlarge")
    on_demand = a_refusal(market="on-demand")

    assert spot.brief == (
        "gpu: g6.xlarge (spot): InsufficientInstanceCapacity, 12 s ago; trying g6.2xlarge"
    )
    assert on_demand.brief == "gpu: g6.xlarge: InsufficientInstanceCapacity, 12 s ago"
    assert str(spot) == (
        "gpu (g6.xlarge, spot) 12 s ago: InsufficientInstanceCapacity: no g6.xlarge there; "
        "trying g6.2xlarge"
    )
    assert str(on_demand) == (
        "gpu (g6.xlarge, on-demand) 12 s ago: InsufficientInstanceCapacity: no g6.xlarge there"
    )


def test_a_launch_refused_within_a_minute_is_recent() -> None:
    assert a_refusal(seconds_ago=59.9).is_recent
    assert not a_refusal(seconds_ago=60.0).is_recent


@pytest.mark.parametrize(
    ("working", "words"),
    [
        (None, "starting: no round completed in 8 s"),
        (True, "working: newest round 8 s ago"),
        (False, "not working: no new round for 8 s"),
    ],
)
def test_it_works_does_not_or_has_not_begun(working: bool | None, words: str) -> None:
    assert str(AutoscalerHealth(working, 1, 7.6, ())) == words
