"""Measure a deployed document pipeline: adding a page, asking, its tasks' memory and start.

    .venv/bin/python -m tests.bench.pipeline

needs a pipeline in the local cloud (`./run.sh documents.deploy`). A page is added through S3's
event, the function, the queue and a consumer, and is answerable once the API finds it. Memory is
what a task's processes hold and the kernel cannot take back: anonymous pages and shared memory,
where Ray's object store is. A task's start is from ECS's createdAt until Ray's head says ALIVE.
"""

import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from common.clients import Clients
from common.waiting import Seen, SystemClock, wait_for
from deploy.documents.in_use import ray_of_pipeline
from drills.documents.kit.tasks import HEAD, WORKERS, Tasks
from drills.documents.kit.under_test import PipelineUnderTest, pipeline_under_test
from localcloud.paths import paths
from tests.bench.figures import show
from tests.bench.hand_over import arguments, enter_vpc

SECONDS = 300.0
LOOK_EVERY = 0.1
PAGES = 60  # of the documents that are read at work
AT_REST = 20.0  # seconds without a document
CGROUPS = Path("/sys/fs/cgroup")


def add_to_answerable(pipeline: PipelineUnderTest, count: int) -> list[float]:
    """Return the milliseconds from a page's upload until it is found, one at a time."""
    found = list[float]()
    for _ in range(count):
        document = pipeline.client.document()
        began = time.perf_counter()
        pipeline.client.add(document)
        _await(pipeline, [document.name])
        pipeline.client.check(document.name)
        found.append((time.perf_counter() - began) * 1000)
    pipeline.expect(not pipeline.client.wrong, str(pipeline.client.wrong))
    return found


def asking(pipeline: PipelineUnderTest, count: int) -> list[float]:
    """Return the milliseconds of so many questions, one at a time."""
    found, names = list[float](), list(pipeline.client.codes)
    for _ in range(count):
        name = random.choice(names)  # noqa: S311 # nothing secret
        began = time.perf_counter()
        pipeline.client.check(name)
        found.append((time.perf_counter() - began) * 1000)
    return found


def tasks_of(pipeline: PipelineUnderTest) -> Tasks:
    """Return the pipeline's tasks."""
    return Tasks(pipeline.pipeline, pipeline.clients)


def memory(task: str) -> float:
    """Return the MiB that the containers of a task hold."""
    pids = (paths().tasks / task.rpartition("/")[2]).glob("*/pid")
    return sum(_held(int(file.read_text())) for file in pids) / 2**20


def _held(pid: int) -> int:
    """Return the bytes that the control group of a process holds."""
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    named = {names: path for _, names, path in (line.split(":", 2) for line in lines)}
    folder = CGROUPS / "memory" if "memory" in named else CGROUPS
    group = folder / (named.get("memory") or named[""]).lstrip("/")
    words = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    if folder == CGROUPS:
        return int(words["anon"]) + int(words["shmem"])
    return int(words["total_rss"]) + int(words["total_shmem"])


def memory_at_work(pipeline: PipelineUnderTest) -> dict[str, float]:
    """Return the most MiB of head and worker while documents are read."""
    documents = [pipeline.client.document(PAGES) for _ in range(4)]
    for one in documents:
        pipeline.client.add(one)
    most: dict[str, float] = {}

    def look() -> None:
        for service in (HEAD, WORKERS):
            most[service] = max(
                most.get(service, 0.0), *map(memory, tasks_of(pipeline).of(service))
            )

    _await(pipeline, [one.name for one in documents], look)
    return most


def start_of_a_worker(pipeline: PipelineUnderTest) -> dict[str, float]:
    """Have one worker more; return the seconds until it runs, and until it is ALIVE in Ray."""
    ray, ecs = ray_of_pipeline(pipeline.clients, pipeline.pipeline), pipeline.clients("ecs")
    before = set(tasks_of(pipeline).of(WORKERS))

    def joined_one() -> Seen[str]:
        new = sorted(set(tasks_of(pipeline).of(WORKERS)) - before)
        there = tasks_of(pipeline).addresses(new)
        is_alive = any(node.works and node.address in there for node in ray.nodes())
        return Seen(new[0] if is_alive else None, f"{len(new)} new tasks")

    _set_workers(pipeline, len(before) + 1)
    try:
        clock = SystemClock()
        task = wait_for("a worker", joined_one, clock=clock, seconds=SECONDS, every=LOOK_EVERY)
        joined = time.time()
        cluster = pipeline.pipeline.outputs["ECSClusterName"]
        (found,) = ecs.describe_tasks(cluster=cluster, tasks=[task])["tasks"]
        created = found["createdAt"].timestamp()
        return {
            "task runs": found["startedAt"].timestamp() - created,
            "ALIVE in Ray": joined - created,
        }
    finally:
        _set_workers(pipeline, len(before))
        pipeline.await_workers(len(before))


def _set_workers(pipeline: PipelineUnderTest, count: int) -> None:
    outputs = pipeline.pipeline.outputs
    pipeline.clients("ecs").update_service(
        cluster=outputs["ECSClusterName"], service=outputs[WORKERS], desiredCount=count
    )


def _await(
    pipeline: PipelineUnderTest, names: list[str], look: Callable[[], None] = lambda: None
) -> None:
    """Wait until these documents are done, and call ``look`` all along."""

    def seen() -> Seen[bool]:
        look()
        done = pipeline.done(names)
        return Seen(len(done) == len(names) or None, f"{len(done)} of {len(names)}")

    wait_for("documents", seen, clock=SystemClock(), seconds=SECONDS, every=LOOK_EVERY)


def resources(pipeline: PipelineUnderTest) -> int:
    """Return how many resources the stack has."""
    name = pipeline.pipeline.environment.documents_stack
    pages = pipeline.clients("cloudformation").get_paginator("list_stack_resources")
    return sum(len(page["StackResourceSummaries"]) for page in pages.paginate(StackName=name))


@contextmanager
def measured(name: str) -> Iterator[PipelineUnderTest]:
    """Yield an environment's pipeline; what the block adds is deleted after it."""
    environment = enter_vpc(name)
    pipeline = pipeline_under_test(environment, Clients(environment.region))
    pipeline.await_workers(1)
    try:
        yield pipeline
    finally:
        pipeline.remove()


def main() -> None:
    """Measure, and print each figure."""
    options = arguments(__doc__, pages=20, questions=50, starts=5)
    with measured(options.env) as pipeline:
        print(f"resources in the stack: {resources(pipeline)}")
        add_to_answerable(pipeline, 2)  # warm
        show("add to answerable, one page", add_to_answerable(pipeline, options.pages))
        show("ask", asking(pipeline, options.questions))
        time.sleep(AT_REST)
        rest = {one: max(map(memory, tasks_of(pipeline).of(one))) for one in (HEAD, WORKERS)}
        work = memory_at_work(pipeline)
        for what, service in (("head", HEAD), ("worker", WORKERS)):
            print(f"{what}: {rest[service]:.0f} MiB at rest, {work[service]:.0f} MiB at work")
        starts = [start_of_a_worker(pipeline) for _ in range(options.starts)]
        for phase in starts[0]:
            values = [one[phase] for one in starts]
            words = f"{min(values):.1f} to {max(values):.1f} s of {len(values)}"
            print(f"a worker's task, {phase}: median {statistics.median(values):.1f}, {words}")


if __name__ == "__main__":
    main()
