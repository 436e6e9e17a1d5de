"""The deployed pipeline under test: what it runs on, and what a client uses of it.

Touches AWS and the API. A fault that lasts is repaired when the run ends, in every case.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from common.clients import Clients, translated
from common.environment import Environment
from common.errors import PipelineError, Refused, Unanswered
from common.progress import Say, say_nothing
from common.waiting import Clock, Seen, SystemClock, wait_for
from deploy.documents.in_use import api_of_pipeline
from deploy.documents.pipeline import Pipeline, find_pipeline, plainly
from deploy.documents.question import Api
from documents.control.claims import DONE, FAILED
from documents.identity import FAILED as FAILED_PREFIX
from documents.identity import INPUT, ObjectRef
from documents.providers.interfaces import Passage
from drills.documents.kit.client import BusyClient
from drills.documents.kit.instances import Instances
from drills.documents.kit.place import Place
from drills.documents.kit.tasks import WORKERS, Tasks
from drills.kit.cluster import DrillFailed

TRIES = 60
FOLDER = "drill/"
READY_SECONDS = 300.0


def pipeline_under_test(
    environment: Environment, clients: Clients, say: Say = say_nothing
) -> "PipelineUnderTest":
    """Return the environment's pipeline; raises Refused when it is none that can be broken."""
    pipeline, name = find_pipeline(clients, environment), environment.name
    if pipeline.paused:
        raise Refused("the pipeline is paused", hint="invoke documents.resume")
    if pipeline.on_cluster != environment.documents.on_cluster:
        raise Refused(
            f"the file of {name} has its documents run elsewhere than they do",
            hint=f"invoke documents.deploy --env {name}",
        )
    if not pipeline.on_cluster and WORKERS not in pipeline.outputs:
        raise Refused(
            f"the stack {environment.documents_stack} has no services yet",
            hint=f"invoke documents.deploy --env {name}",
        )
    api = api_of_pipeline(clients, pipeline)
    return PipelineUnderTest(pipeline, clients, SystemClock(), api, say)


@dataclass
class PipelineUnderTest:
    """One run of a drill on one pipeline: what was broken, and what it ran on that was ``lost``."""

    pipeline: Pipeline
    clients: Clients
    clock: Clock
    api: Api
    say: Say = say_nothing
    faults: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    figures: dict[str, float] = field(default_factory=dict)
    cleanup: ExitStack = field(default_factory=ExitStack)
    client: BusyClient = field(init=False)
    place: Place = field(init=False)
    _versions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client = BusyClient(self)
        kind = Instances if self.pipeline.on_cluster else Tasks
        self.place = kind(self.pipeline, self.clients)

    def put(self, name: str, content: bytes) -> None:
        """Upload a document; tries for a minute."""
        for left in reversed(range(TRIES)):
            try:
                answer = self.clients("s3").put_object(
                    Bucket=self.pipeline.bucket, Key=INPUT + FOLDER + name, Body=content
                )
                self._versions[name] = answer["VersionId"]
                return
            except (ClientError, BotoCoreError) as error:
                if not left:
                    raise Unanswered(f"uploading {name}: {error}") from error
                self.clock.sleep(1.0)

    def done(self, names: Sequence[str]) -> list[str]:
        """Return which of these are answered from, in the version that was uploaded last."""
        found = self.records(names)
        return [
            name
            for name in names
            if found.get(name, {}).get("status") == DONE
            and found[name].get("version") == self._versions[name]
        ]

    def failed(self, names: Sequence[str]) -> dict[str, str]:
        """Return the reasons of those of these that failed."""
        found = self.records(names)
        return {n: str(r.get("reason", "")) for n, r in found.items() if r["status"] == FAILED}

    def records(self, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Return the control records of these, of those that have one."""
        refs = {ObjectRef(self.pipeline.bucket, INPUT + FOLDER + name): name for name in names}
        with plainly("reading the control table"):
            records = self.pipeline.access(self.clients).listing.records(list(refs))
        return {name: records[ref.id] for ref, name in refs.items() if ref.id in records}

    def passages(self, question: str, count: int) -> Sequence[Passage]:
        """Return the passages for a question, with the client's own names as sources."""
        return [
            Passage(
                tuple(source.removeprefix(FOLDER) for source in one.sources),
                one.page,
                one.heading,
                one.text,
                one.score,
            )
            for one in self.api.ask(question, count).passages
        ]

    def remove(self) -> None:
        """Delete everything that was uploaded."""
        with translated("deleting the drill's documents"):
            for name in self._versions:
                for prefix in (INPUT, FAILED_PREFIX):
                    key = prefix + FOLDER + name
                    self.clients("s3").delete_object(Bucket=self.pipeline.bucket, Key=key)

    def record_fault(self, words: str) -> None:
        """Note and show what is broken now."""
        self.faults.append(words)
        self.say(words)

    def record_loss(self, how: str, lost: Sequence[str]) -> None:
        """Note and show which tasks or instances are lost now; others must run for them."""
        self.lost.update(lost)
        self.record_fault(f"{how} {', '.join(one.rpartition('/')[2] for one in lost)}")

    def await_that(
        self, what: str, holds: Callable[[], bool], seconds: float, words: Callable[[], str]
    ) -> None:
        """Wait until something holds; what cannot be seen now does not hold yet.

        Raises DrillFailed when it never will.
        """

        def look() -> Seen[bool]:
            try:
                return Seen(holds() or None, words())
            except DrillFailed:
                raise
            except PipelineError as error:
                return Seen(None, error.message)

        wait_for(what, look, clock=self.clock, seconds=seconds, progress=self.say)

    def await_workers(self, count: int) -> None:
        """Have so many workers at least, and wait until all that there should be are in Ray."""
        self.place.have_workers(count)
        self.await_others(READY_SECONDS, count)

    def await_others(self, seconds: float, workers: int = 0) -> None:
        """Wait until others run for all that is lost and are in Ray, so many workers at least.

        Raises DrillFailed when that takes longer.
        """
        seen = [""]

        def holds() -> bool:
            found, seen[0] = self.place.look(self.lost, workers)
            return found

        self.await_that("head and workers", holds, seconds, lambda: seen[0])

    def repair(self) -> None:
        """Undo the faults that last."""
        self.cleanup.close()

    def expect(self, holds: bool, words: str) -> None:
        """Raise DrillFailed unless something holds."""
        if not holds:
            raise DrillFailed(words, hint="invoke documents.status")
