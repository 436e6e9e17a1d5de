"""Things break while a client adds and asks: nothing is lost, nothing is twice.

Workers are processes that are killed; AWS is moto behind a fault. Ray, which restarts consumers, is
in test_on_ray.py. After each drill every document that was added is answered from, exactly once,
and the index holds no vector more than those.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from moto.server import DomainDispatcherApplication

from common.checkout import REPOSITORY
from common.clients import Clients
from common.errors import PipelineError
from common.waiting import Seen, SystemClock, wait_for
from deploy.documents.question import Api
from documents.access import access
from documents.errors import Unavailable
from documents.events import note
from documents.providers import choose
from documents.providers.interfaces import Passage
from documents.quality.plain_pdf import plain_pdf
from documents.settings import load_settings
from documents.sweep import sweep
from drills.documents.kit.client import BusyClient
from tests.documents import files
from tests.documents.cloud import TOKEN, PipelineCloud, cloud
from tests.documents.served import served

SECONDS = 180.0
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


@dataclass
class Workers:
    """The processes that work through the queue."""

    aws: PipelineCloud
    running: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self, count: int) -> None:
        for _ in range(count):
            name = f"worker-{time.monotonic_ns()}"
            self.running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.documents.work_on", name],
                    cwd=REPOSITORY,
                    env={**self.aws.variables, "PYTHONPATH": str(REPOSITORY)},
                    start_new_session=True,
                    stdout=subprocess.DEVNULL,
                )
            )

    def kill(self, count: int) -> None:
        """Kill so many, and what they started, at once."""
        killed, self.running = self.running[:count], self.running[count:]
        for process in killed:
            os.killpg(process.pid, signal.SIGKILL)
        for process in killed:
            process.wait()


@pytest.fixture
def workers(aws: PipelineCloud) -> Iterator[Workers]:
    found = Workers(aws)
    found.start(2)
    yield found
    found.kill(len(found.running))


@dataclass
class Served:
    """The pipeline as the client sees it."""

    aws: PipelineCloud
    api: Api
    put: Callable[[str, bytes], None]

    def done(self, names: Sequence[str]) -> list[str]:
        statuses = self.aws.statuses()
        return [name for name in names if statuses.get(name) == "DONE"]

    def passages(self, question: str, count: int) -> Sequence[Passage]:
        return self.api.ask(question, count).passages


@contextmanager
def busy(
    aws: PipelineCloud, url: str, put: Callable[[str, bytes], None] | None = None, pages: int = 1
) -> Iterator[BusyClient]:
    """Let a client add and ask, from before the drill until the block ends; then check it all."""
    client = BusyClient(Served(aws, Api(url, TOKEN), put or aws.put), pages)
    client.start()
    try:
        await_done(client, 2)
        yield client
        await_done(client, len(client.done()) + 2)
    finally:
        client.stop()
    await_done(client, len(client.codes))
    for name in client.codes:
        client.check(name)
    print(f"{len(client.codes)} added, {len(client.answered)} answered, {client.refused} refused")
    assert client.wrong == []
    assert len(client.answered) > len(client.codes)
    await_tidy(aws)


def swept() -> None:
    """Do what the keeper does from time to time."""
    settings = load_settings()
    clients = Clients(settings.region)
    try:
        sweep(access(settings, clients), choose.index(settings, clients), settings)
    except (Unavailable, PipelineError):
        return  # it is broken now; the keeper tries again too


def await_done(client: BusyClient, count: int) -> None:
    """Wait until so many documents of a client are DONE."""

    def look() -> Seen[bool]:
        swept()
        try:
            done = len(client.done())
        except (ClientError, BotoCoreError) as error:  # it is broken now
            return Seen(None, str(error))
        return Seen(done >= count or None, f"{done} of {count} done, {client.wrong} wrong")

    wait_for("documents", look, clock=SystemClock(), seconds=SECONDS, every=0.5)


def await_tidy(aws: PipelineCloud) -> None:
    """Wait until the index holds the vectors of the documents that serve, and no others."""

    def look() -> Seen[bool]:
        swept()
        names = {"vectorBucketName": "vectors", "indexName": "documents"}
        pages = aws.client("s3vectors").get_paginator("list_vectors").paginate(**names)
        vectors = sum(len(page["vectors"]) for page in pages)
        items = aws.client("dynamodb").get_paginator("scan").paginate(TableName="control")
        chunks = sum(
            int(item["chunks"]["N"])
            for page in items
            for item in page["Items"]
            if item["id"]["S"].startswith("document/")
        )
        return Seen(vectors == chunks or None, f"{vectors} vectors for {chunks} chunks")

    wait_for("the index", look, clock=SystemClock(), seconds=SECONDS)


def await_work(aws: PipelineCloud) -> None:
    """Wait until a worker is in the middle of a document."""

    def look() -> Seen[bool]:
        pages = aws.client("dynamodb").get_paginator("scan").paginate(TableName="control")
        statuses = [one.get("status", {}).get("S") for page in pages for one in page["Items"]]
        return Seen("WRITING" in statuses or None, f"{len(statuses)} records")

    wait_for("a worker at work", look, clock=SystemClock(), seconds=SECONDS, every=0.1)


@pytest.mark.parametrize("count", [1, 2], ids=["half", "all"])
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


def await_calls(made: Callable[[], int], count: int = 30) -> None:
    """Wait until so many calls were made."""

    def look() -> Seen[bool]:
        return Seen(made() >= count or None, f"{made()} calls")

    wait_for("calls", look, clock=SystemClock(), seconds=SECONDS, every=0.2)


def retried(aws: PipelineCloud) -> Callable[[str, bytes], None]:
    """Return a put that tries until it succeeds, as a person or Lambda does."""

    def put(name: str, content: bytes) -> None:
        while True:
            try:
                return aws.put(name, content)
            except (ClientError, BotoCoreError):
                SystemClock().sleep(0.5)

    return put


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
        late = {"s3": {"object": {"key": f"input/{name}", "versionId": "1", "sequencer": "00"}}}
        note(aws.client("dynamodb"), "control", "bucket", f"input/{name}", late)
        aws.send(f"input/{name}")

    with busy(aws, url, put):
        await_calls(lambda: number, 6)


def test_poison_fails_alone_each_with_its_reason(
    aws: PipelineCloud, url: str, workers: Workers
) -> None:
    poison = {
        "cut.pdf": (files.pdf(["Long text. " * 500])[:-900], "truncated"),
        "locked.pdf": (files.pdf(["Secret."], password="user"), "encrypted"),
        "not-a.pdf": (b"just text", "wrong extension"),
        "bomb.pdf": (files.bomb(1024), ""),
        "endless.pdf": (files.endless_form(), ""),
    }
    with busy(aws, url):
        for name, (content, _) in poison.items():
            aws.put(name, content)

    def look() -> Seen[bool]:
        found = aws.statuses()
        open_ = {name: found.get(name, "") for name in poison}
        ended = all(words not in ("", "RECEIVED", "PARSED") for words in open_.values())
        return Seen(ended or None, str(open_))

    wait_for("the poison", look, clock=SystemClock(), seconds=SECONDS)
    found = aws.statuses()
    for name, (_, reason) in poison.items():
        assert found[name] != "DONE", name
        assert reason in found[name], name
