"""Things break while a client adds and asks: nothing is lost, nothing is twice.

Workers are processes that are killed; AWS is moto behind a fault. Ray, which restarts consumers, is
in test_on_ray.py. After each drill every document that was added is answered from, exactly once,
and the index holds no vector more than those.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from moto.server import DomainDispatcherApplication

from common.waiting import Seen, SystemClock, wait_for
from documents.events import note
from documents.quality.plain_pdf import plain_pdf
from drills.documents.kit import poison
from tests.documents.cloud import PipelineCloud, cloud
from tests.documents.drilled import (
    SECONDS,
    Workers,
    await_calls,
    await_work,
    busy,
    retried,
)
from tests.documents.served import served
from tests.marks import THOROUGH_ONLY

# What each service answers when it is throttled or down, as its own protocol has it.
FAULTS = {
    "dynamodb": (
        "400 Bad Request",
        b'{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow down"}',
    ),
    "s3vectors": ("503 Service Unavailable", b'{"message":"down"}'),
    "s3": ("503 Slow Down", b"<Error><Code>SlowDown</Code><Message>slow down</Message></Error>"),
    "sqs": ("503 Service Unavailable", b'{"__type":"ServiceUnavailable","message":"down"}'),
}


@dataclass
class Broken:
    """The services that answer with their fault for now."""

    services: set[str] = field(default_factory=set)
    refused: int = 0

    def __call__(self, environ: dict[str, Any]) -> tuple[str, bytes] | None:
        """Return what a request is answered with in place of an answer."""
        scope = environ.get("HTTP_AUTHORIZATION", "").split("/")
        found = next((name for name in self.services if name in scope), "")
        self.refused += bool(found)
        return FAULTS.get(found)


@pytest.fixture(scope="module")
def broken() -> Iterator[Broken]:
    """Faults between every client of this cloud and moto."""
    found, answers = Broken(), DomainDispatcherApplication.__call__

    def answer(self: Any, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        fault = found(environ)
        if fault is None:
            return answers(self, environ, start_response)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status, body = fault
        start_response(status, [("Content-Length", str(len(body)))])
        return [body]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DomainDispatcherApplication, "__call__", answer)
        yield found


@pytest.fixture(scope="module")
def aws(model: Path, broken: Broken) -> Iterator[PipelineCloud]:
    with (
        cloud(model, claim_seconds=3, parse_seconds=10) as found,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in found.variables.items():
            patch.setitem(os.environ, name, value)
        yield found


@pytest.fixture(scope="module")
def url(aws: PipelineCloud) -> Iterator[str]:
    with served() as found:
        yield found


@pytest.fixture
def workers(aws: PipelineCloud) -> Iterator[Workers]:
    found = Workers(aws)
    found.start(2)
    yield found
    found.kill(len(found.running))


@pytest.mark.parametrize(
    "count", [pytest.param(1, id="half", marks=THOROUGH_ONLY), pytest.param(2, id="all")]
)
def test_workers_are_killed_in_the_middle_of_documents(
    aws: PipelineCloud, url: str, workers: Workers, count: int
) -> None:
    with busy(aws, url, pages=8):
        await_work(aws)
        workers.kill(count)
        workers.start(count)


@pytest.mark.parametrize("service", ["dynamodb", "s3vectors", "s3", "sqs"])
def test_a_service_does_not_answer_for_a_while(
    aws: PipelineCloud, url: str, workers: Workers, broken: Broken, service: str
) -> None:
    with busy(aws, url, retried(aws)):
        broken.refused, broken.services = 0, {service}
        try:
            await_calls(lambda: broken.refused)
        finally:
            broken.services = set()


def test_events_come_twice_out_of_order_or_not_at_all(
    aws: PipelineCloud, url: str, workers: Workers
) -> None:
    number = 0

    def put(name: str, content: bytes) -> None:
        nonlocal number
        number += 1
        if number % 3 == 0:
            aws.put(name, content, notified=False)  # lost: the sweep finds the object
            return
        aws.put(name, plain_pdf(["An older version."]), notified=False)
        aws.put(name, content)
        aws.put(name, content)
        item = {"key": f"input/{name}", "versionId": "1", "sequencer": "00"}
        late = {"s3": {"object": item}, "userIdentity": {"principalId": "test"}}
        note(aws.client("dynamodb"), "control", "bucket", f"input/{name}", late)
        aws.send(f"input/{name}")

    with busy(aws, url, put):
        await_calls(lambda: number, 6)


def test_poison_fails_alone_each_with_its_reason(
    aws: PipelineCloud, url: str, workers: Workers
) -> None:
    bad = poison.poison()
    with busy(aws, url):
        for name, (content, _) in bad.items():
            aws.put(name, content)

    def look() -> Seen[bool]:
        found = aws.statuses()
        open_ = {name: found.get(name, "") for name in bad}
        ended = all(words not in ("", "RECEIVED", "PARSED") for words in open_.values())
        return Seen(ended or None, str(open_))

    wait_for("the poison", look, clock=SystemClock(), seconds=SECONDS)
    found = aws.statuses()
    for name, (_, reason) in bad.items():
        assert found[name] != "DONE", name
        assert reason in found[name], name
