"""What the drills share: workers that can be killed, and a client around what breaks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from common.checkout import REPOSITORY
from common.clients import Clients
from common.errors import PipelineError
from common.waiting import Seen, SystemClock, wait_for
from deploy.documents.question import Api
from documents.access import access
from documents.errors import Unavailable
from documents.providers import choose
from documents.providers.interfaces import Passage
from documents.settings import load_settings
from documents.sweep import sweep
from drills.documents.kit.client import BusyClient
from tests.documents.cloud import TOKEN, PipelineCloud

SECONDS = 180.0


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
    client = BusyClient(Served(aws, Api(url, TOKEN), put or aws.put), pages, add_every=1.0)
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
