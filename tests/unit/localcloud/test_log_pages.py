"""Pages of log events: one may be empty although there are more."""

import time
from typing import Any

import pytest

from tests.unit.localcloud.conftest import Clients

STREAM = {"logGroupName": "g", "logStreamName": "s"}


@pytest.fixture
def logs(aws: Clients) -> Any:
    logs = aws("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(**STREAM)
    return logs


def put(logs: Any, *messages: str) -> None:
    now = int(time.time() * 1000)
    events = [{"timestamp": now + n, "message": text} for n, text in enumerate(messages)]
    logs.put_log_events(**STREAM, logEvents=events)


def pages(logs: Any, **more: Any) -> list[list[str]]:
    """Every page backwards, until a token is returned again."""
    found, token, given = list[list[str]](), "", dict[str, str]()
    while True:
        answer = logs.get_log_events(**STREAM, **more, **given)
        if answer["nextBackwardToken"] == token:
            return found
        found.append([event["message"] for event in answer["events"]])
        token = answer["nextBackwardToken"]
        given = {"nextToken": token}


def test_the_first_page_is_empty_although_there_are_more(logs: Any) -> None:
    put(logs, "one", "two", "three")

    assert [page for page in pages(logs, limit=2) if page] == [["two", "three"], ["one"]]
    assert pages(logs)[0] == []


def test_from_the_head_or_a_time_on_it_is_not(logs: Any) -> None:
    put(logs, "one", "two")

    from_head = logs.get_log_events(**STREAM, startFromHead=True)
    since = logs.get_log_events(**STREAM, startTime=1)

    for found in (from_head, since):
        assert [event["message"] for event in found["events"]] == ["one", "two"]


def test_an_empty_stream_ends(logs: Any) -> None:
    assert not any(pages(logs))
