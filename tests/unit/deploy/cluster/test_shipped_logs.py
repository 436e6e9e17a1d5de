"""Shipped lines: the newest of some units, read backwards."""

import json
from typing import Any

import pytest

from common.errors import PipelineError
from deploy.cluster.shipped_logs import shipped_lines
from deploy.cluster.systemd_journal import LogLine
from tests.unit.answers import Answers, refused
from tests.unit.deploy.builders import an_environment

NO_STREAM = refused("ResourceNotFoundException")


def event(at: int, message: str, unit: str = "ray-head") -> dict[str, Any]:
    return {
        "timestamp": at * 1000,
        "message": json.dumps({"unit": unit, "message": message}),
    }


def page(token: str, *events: dict[str, Any]) -> dict[str, Any]:
    return {"events": list(events), "nextBackwardToken": token}


def lines(answers: list[Any], count: int = 10, since: float = 0.0) -> tuple[Any, tuple[Any, ...]]:
    aws: Any = Answers(get_log_events=answers)
    found = shipped_lines(
        aws, an_environment(), "i-1", units=("ray-head.service",), count=count, since=since
    )
    return aws, found


def test_lines_of_the_units_are_read_backwards_until_the_stream_s_token_repeats() -> None:
    aws, found = lines(
        [
            page("b/1", event(3, "three"), event(4, "other", "ray-logs"), event(5, "five")),
            page("b/2"),
            page("b/3", event(1, "one")),
            page("b/3"),
            NO_STREAM,
        ]
    )

    assert found == (
        LogLine(1.0, "ray-head", "one", cursor=""),
        LogLine(3.0, "ray-head", "three", cursor=""),
        LogLine(5.0, "ray-head", "five", cursor=""),
    )
    head = {
        "logGroupName": "/raykiln/dev/head",
        "logStreamName": "i-1",
        "startFromHead": False,
    }
    worker = head | {"logGroupName": "/raykiln/dev/worker"}
    assert aws.requests == [
        ("logs:get_log_events", request)
        for request in (
            head,
            *(head | {"nextToken": token} for token in ("b/1", "b/2", "b/3")),
            worker,
        )
    ]


def test_the_newest_are_kept_and_none_before_a_time() -> None:
    events = page("b/1", event(1, "one"), event(2, "two"), event(3, "three"))

    _, newest = lines([events], count=2)
    _, since = lines([events], since=3.0)

    assert [line.message for line in newest] == ["two", "three"]
    assert [line.message for line in since] == ["three"]


def test_without_a_stream_there_are_no_lines() -> None:
    _, found = lines([NO_STREAM, NO_STREAM])

    assert found == ()


def test_a_line_of_another_form_belongs_to_no_unit() -> None:
    odd = [{"timestamp": 1000, "message": text} for text in ("no json", "[]", '{"unit": "x"}')]
    aws: Any = Answers(get_log_events=[page("b/1", *odd), page("b/1"), NO_STREAM])

    found = shipped_lines(aws, an_environment(), "i-1", units=("",), count=9)

    assert [line.message for line in found] == ["no json", "[]", '{"unit": "x"}']


def test_another_refusal_names_the_instance() -> None:
    with pytest.raises(PipelineError, match="reading the shipped logs of i-1"):
        lines([refused("ThrottlingException")])
