"""Run a job on the cluster through its stable name, and wait. Touches AWS for the token alone.

The demo's job runs a task on the head and on every worker (``smoke_task.py``, sent as its source).
"""

import json
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from common.errors import PipelineError
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.ray_api import Job, RayApi, Unreachable

PYTHON = "/opt/ray/bin/python"  # in our images
SMOKE_TASK = Path(__file__).with_name("smoke_task.py")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """A job that succeeded: what it printed, when Ray took it, and how long all of it took."""

    id: str
    logs: str
    accepted_seconds: float
    seconds: float


@dataclass(frozen=True)
class Participant:
    """A node on which the demo's task ran."""

    node_id: str
    address: str
    hostname: str


def run_job(
    api: RayApi,
    entrypoint: str,
    *,
    clock: Clock,
    seconds: float = 300,
    progress: Progress = lambda words: None,
) -> Outcome:
    """Submit a shell command, wait until it has succeeded, and return what it printed.

    A head that cannot be reached meanwhile is waited for. Raises PipelineError with the end of the
    log when the job fails, TimedOut when it does not end.
    """
    begun = clock.now()
    name = f"raykiln-{uuid4().hex[:12]}"
    submit(api, entrypoint, name, clock=clock, seconds=min(seconds, 120), progress=progress)
    accepted = clock.now() - begun
    job = _finished(api, name, clock=clock, seconds=seconds, progress=progress)
    if not job.succeeded:
        # Ray puts the end of the log into its message.
        raise PipelineError(
            f"the job {name} {job.status.lower()}: {job.message[-2000:].strip()}",
            hint="its whole log is in the dashboard, under Jobs",
        )
    return Outcome(name, api.logs(name), accepted, clock.now() - begun)


def submit(
    api: RayApi,
    entrypoint: str,
    name: str,
    *,
    clock: Clock,
    seconds: float,
    progress: Progress = lambda words: None,
) -> None:
    """Submit until Ray has taken the job; once taken it is not taken again."""

    def look() -> Seen[bool]:
        try:
            api.submit(entrypoint, name)
        except Unreachable as error:
            # The answer may have been lost on its way back.
            return Seen(_known(api, name) or None, error.message)
        return Seen(True, "")

    wait_for(
        f"a job taken at {api.base}",
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
    progress: Progress = lambda words: None,
    python: str = PYTHON,
) -> tuple[Outcome, tuple[Participant, ...]]:
    """Run a task on every node; raises PipelineError when one of ``addresses`` takes no part."""
    command = [python, "-c", SMOKE_TASK.read_text(), "60", *sorted(addresses)]
    outcome = run_job(api, shlex.join(command), clock=clock, progress=progress)
    return outcome, participants(outcome.logs)


def participants(logs: str) -> tuple[Participant, ...]:
    """Return the nodes that the demo's log names, by address."""
    lines = [line.removeprefix("here:") for line in logs.splitlines() if line.startswith("here:")]
    found = [json.loads(line) for line in lines]
    nodes = [Participant(one["node_id"], one["address"], one["hostname"]) for one in found]
    return tuple(sorted(nodes, key=lambda node: node.address))


def _known(api: RayApi, name: str) -> bool:
    try:
        api.job(name)
    except Unreachable:
        return False
    return True


def _finished(api: RayApi, name: str, *, clock: Clock, seconds: float, progress: Progress) -> Job:
    def look() -> Seen[Job]:
        try:
            job = api.job(name)
        except Unreachable as error:
            return Seen(None, error.message)
        return Seen(job if job.is_finished else None, f"job {job.status.lower()}")

    return wait_for(
        f"the job {name}", look, clock=clock, seconds=seconds, every=0.5, progress=progress
    )
