"""The deployed pipeline under test: its tasks, its function, and what a client uses of it.

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
from deploy.documents.in_use import api_of_pipeline, ray_of_pipeline
from deploy.documents.pipeline import Pipeline, find_pipeline, plainly
from deploy.documents.question import Api
from deploy.documents.services import services_of
from documents.control.claims import DONE, FAILED
from documents.identity import FAILED as FAILED_PREFIX
from documents.identity import INPUT, ObjectRef
from documents.providers.interfaces import Passage
from drills.documents.kit.client import BusyClient
from drills.kit.cluster import DrillFailed

TRIES = 60
FOLDER = "drill/"
HEAD, WORKERS = "RayHeadServiceName", "RayWorkerServiceName"  # outputs with the services' names
READY_SECONDS = 300.0
STOPPED = "STOPPED"


def pipeline_under_test(
    environment: Environment, clients: Clients, say: Say = say_nothing
) -> "PipelineUnderTest":
    """Return the environment's pipeline; raises Refused when it is none whose tasks can be lost."""
    pipeline = find_pipeline(clients, environment)
    if pipeline.paused:
        raise Refused("the pipeline is paused", hint="invoke documents.resume")
    if pipeline.on_cluster:
        raise Refused(
            "the drills of documents end tasks on Fargate, and these run on the cluster",
            hint="invoke drill --list has those of the cluster",
        )
    if WORKERS not in pipeline.outputs:
        raise Refused(
            f"the stack {environment.documents_stack} has no services yet",
            hint=f"invoke documents.deploy --env {environment.name}",
        )
    api = api_of_pipeline(clients, pipeline)
    return PipelineUnderTest(pipeline, clients, SystemClock(), api, say)


@dataclass
class PipelineUnderTest:
    """One run of a drill on one pipeline: what was broken, and the tasks that were ``lost``."""

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
    _versions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client = BusyClient(self)

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

    def record_loss(self, how: str, tasks: Sequence[str]) -> None:
        """Note and show which tasks are lost now; ECS must run others for them."""
        self.lost.update(tasks)
        self.record_fault(f"{how} {', '.join(arn.rpartition('/')[2] for arn in tasks)}")

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

    def tasks(self, service: str) -> list[str]:
        """Return the ARNs of a service's running tasks; ``service`` is the output of its name."""
        names = {"cluster": self._cluster, "serviceName": self.pipeline.outputs[service]}
        with translated("listing tasks"):
            pages = self.clients("ecs").get_paginator("list_tasks")
            return sorted(arn for page in pages.paginate(**names) for arn in page["taskArns"])

    def on_spot(self, tasks: Sequence[str]) -> list[str]:
        """Return which of these tasks are on Fargate Spot."""
        found = {t["taskArn"]: t.get("capacityProviderName") for t in self._described(tasks)}
        return [task for task in tasks if found.get(task) == "FARGATE_SPOT"]

    def addresses(self, tasks: Sequence[str]) -> set[str]:
        """Return the addresses of tasks; Ray knows those of lost ones for a while."""
        containers = [one for task in self._described(tasks) for one in task["containers"]]
        return {
            i["privateIpv4Address"] for one in containers for i in one.get("networkInterfaces", ())
        }

    def stop(self, tasks: Sequence[str]) -> None:
        """Stop tasks; ECS sends SIGTERM, and SIGKILL when they take too long."""
        self.record_loss("stopped", tasks)
        with translated("stopping tasks"):
            for arn in tasks:
                self.clients("ecs").stop_task(cluster=self._cluster, task=arn, reason="a drill")

    def await_workers(self, count: int) -> None:
        """Have so many workers at least, and wait until all that there should be are in Ray."""
        name = self.pipeline.outputs[WORKERS]
        _, workers = services_of(self.clients, self.pipeline.outputs)
        if workers.desired < count:
            with translated(f"having {name} run {count} tasks"):
                self.clients("ecs").update_service(
                    cluster=self._cluster, service=name, desiredCount=count
                )
        self.await_tasks(READY_SECONDS, count)

    def await_tasks(self, seconds: float, workers: int = 0) -> None:
        """Wait until no lost task runs, and all are in Ray that there should be, so many workers.

        Raises DrillFailed when that takes longer.
        """
        ray, seen = ray_of_pipeline(self.clients, self.pipeline), [""]

        def holds() -> bool:
            found = services_of(self.clients, self.pipeline.outputs)
            seen[0] = "; ".join(one.words for one in found)
            left = [one for one in self._described(list(self.lost)) if one["lastStatus"] != STOPPED]
            if left or not all(one.is_steady for one in found):
                return False
            running = self.addresses(self.tasks(WORKERS))
            alive = sum(node.works and node.address in running for node in ray.nodes())
            seen[0] += f"; {alive} workers alive in Ray"
            return alive >= found[1].desired >= workers

        self.await_that("head and workers", holds, seconds, lambda: seen[0])

    def repair(self) -> None:
        """Undo the faults that last."""
        self.cleanup.close()

    def expect(self, holds: bool, words: str) -> None:
        """Raise DrillFailed unless something holds."""
        if not holds:
            raise DrillFailed(words, hint="invoke documents.status")

    def _described(self, tasks: Sequence[str]) -> list[Any]:
        """Return what ECS says of tasks; it knows those that stopped for an hour."""
        if not tasks:
            return []
        with translated("looking at tasks"):
            found = self.clients("ecs").describe_tasks(cluster=self._cluster, tasks=list(tasks))
        return list(found["tasks"])

    @property
    def _cluster(self) -> str:
        return self.pipeline.outputs["ECSClusterName"]
