"""Run a job on the cluster through its stable name, and wait for it. No AWS.

The smoke job runs a task on the head and on every worker (``smoke_task.py``, sent as source).
"""

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from common.errors import PipelineError
from common.progress import Say, say_nothing
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.ray_api import Job, RayApi, Unreachable

PYTHON = "/opt/ray/bin/python"  # in our images
SMOKE_TASK = Path(__file__).with_name("smoke_task.py")
GROUP_TASK = Path(__file__).with_name("group_task.py")
GROUP_SECONDS = 60  # for a task that waits for nothing but a worker process


@dataclass(frozen=True)
class JobResult:
    """A job that succeeded: its log, the seconds until Ray accepted it, and in total."""

    id: str
    logs: str
    accepted_seconds: float
    seconds: float


@dataclass(frozen=True)
class Participant:
    """A node on which the smoke job's task ran."""

    node_id: str
    address: str
    hostname: str


def run_job(
    api: RayApi,
    entrypoint: str,
    *,
    clock: Clock,
    seconds: float = 300,
    progress: Say = say_nothing,
    on_head: bool = False,
) -> JobResult:
    """Submit a shell command as a job, wait until it has succeeded, and return its result.

    Its driver runs on a worker unless it is wanted on the head.

    While Ray is unreachable, it waits. Raises PipelineError with the end of the log when the job
    fails, TimedOut when it does not end.
    """
    begun = clock.now()
    name = f"raykiln-{uuid4().hex[:12]}"
    submit(
        api,
        entrypoint,
        name,
        clock=clock,
        seconds=min(seconds, 120),
        progress=progress,
        on_head=on_head,
    )
    accepted = clock.now() - begun
    job = _finished(api, name, clock=clock, seconds=seconds, progress=progress)
    if not job.succeeded:
        # Ray's message holds the end of the log.
        raise PipelineError(
            f"the job {name} {job.status.lower()}: {job.message[-2000:].strip()}",
            hint="the whole log is in the dashboard, under Jobs",
        )
    return JobResult(name, api.logs(name), accepted, clock.now() - begun)


def submit(
    api: RayApi,
    entrypoint: str,
    name: str,
    *,
    clock: Clock,
    seconds: float,
    progress: Say = say_nothing,
    on_head: bool = False,
) -> None:
    """Submit until Ray has accepted the job, which it does only once."""

    def look() -> Seen[bool]:
        try:
            api.submit(entrypoint, name, on_head=on_head)
        except Unreachable as error:
            # Ray may have accepted it, and only the response was lost.
            return Seen(_known(api, name) or None, error.message)
        return Seen(True, "")

    wait_for(
        f"job submission at {api.base}",
        look,
        clock=clock,
        seconds=seconds,
        progress=progress,
        hint="does `invoke verify` find a healthy target and a leader?",
    )


def run_smoke_job(
    api: RayApi,
    addresses: Iterable[str],
    *,
    clock: Clock,
    progress: Say = say_nothing,
    python: str = PYTHON,
) -> tuple[JobResult, tuple[Participant, ...]]:
    """Run a task on every node; raises PipelineError when one of ``addresses`` is missing.

    Its driver runs on the head: a cluster without a worker is healthy too.
    """
    command = [python, "-c", SMOKE_TASK.read_text(), "60", *sorted(addresses)]
    result = run_job(api, shlex.join(command), clock=clock, progress=progress, on_head=True)
    return result, participants(result.logs)


def participants(logs: str) -> tuple[Participant, ...]:
    """Return the nodes that the smoke job's log names, by address."""
    nodes = [Participant(one["node_id"], one["address"], one["hostname"]) for one in _here(logs)]
    return tuple(sorted(nodes, key=lambda node: node.address))


def run_group_job(
    api: RayApi, groups: Iterable[str], *, clock: Clock, python: str = PYTHON
) -> dict[str, str]:
    """Run a task in each group, on the node of it that Ray chooses; return its address, by group.

    Raises PipelineError when a task has not run. For a group without a worker, one is launched.
    """
    command = [python, "-c", GROUP_TASK.read_text(), str(GROUP_SECONDS), *groups]
    result = run_job(api, shlex.join(command), clock=clock)
    return {one["group"]: one["address"] for one in _here(result.logs)}


def _here(logs: str) -> list[dict[str, str]]:
    """Return what the tasks say of where they ran."""
    lines = [line.removeprefix("here:") for line in logs.splitlines() if line.startswith("here:")]
    return [json.loads(line) for line in lines]


def _known(api: RayApi, name: str) -> bool:
    try:
        api.job(name)
    except Unreachable:
        return False
    return True


def _finished(api: RayApi, name: str, *, clock: Clock, seconds: float, progress: Say) -> Job:
    def look() -> Seen[Job]:
        try:
            job = api.job(name)
        except Unreachable as error:
            return Seen(None, error.message)
        return Seen(job if job.is_finished else None, f"job {job.status.lower()}")

    return wait_for(
        f"the job {name}", look, clock=clock, seconds=seconds, every=0.5, progress=progress
    )
