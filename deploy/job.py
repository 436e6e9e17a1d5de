"""Run a job on the cluster through its stable name, and wait. Touches AWS for the token alone.

The demo's job runs a task on the head and on every worker (``who_is_here.py``, sent as its source).
"""

import json
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from botocore.exceptions import ClientError

from deploy.clients import Clients, error_code, translated
from deploy.environment import Environment
from deploy.errors import PipelineError, Refused
from deploy.ray_api import Job, RayApi, Unreachable
from deploy.state import Instance, find_instances, find_lease
from deploy.waiting import Clock, Seen, wait_for

PYTHON = "/opt/ray/bin/python"  # in our images
WHO_IS_HERE = Path(__file__).with_name("who_is_here.py")

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


def ray_api(clients: Clients, environment: Environment) -> RayApi:
    """Return Ray's API at the stable name, with the cluster's token.

    Raises Refused when there is no token yet.
    """
    with translated(f"reading the secret {environment.secret}"):
        try:
            found = clients("ssm").get_parameter(Name=environment.secret, WithDecryption=True)
        except ClientError as error:
            if error_code(error) != "ParameterNotFound":
                raise
            raise Refused(
                f"there is no secret {environment.secret}",
                hint=f"is there a cluster? `invoke deploy --env {environment.name}` makes both",
            ) from error
    return RayApi(environment.head_dns, found["Parameter"]["Value"])


def members(clients: Clients, environment: Environment) -> dict[str, Instance]:
    """Return the instances that are Ray's nodes, by address: the leader and the workers."""
    lease = find_lease(clients, environment)
    leader = lease.holder if lease else ""
    found = find_instances(clients, environment.name)
    nodes = [i for i in found if i.state == "running" and (i.role == "worker" or i.id == leader)]
    return {instance.address: instance for instance in nodes}


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


def everyone_is_here(
    api: RayApi,
    addresses: Iterable[str],
    *,
    clock: Clock,
    progress: Progress = lambda words: None,
    python: str = PYTHON,
) -> tuple[Outcome, tuple[Participant, ...]]:
    """Run a task on every node; raises PipelineError when one of ``addresses`` takes no part."""
    command = [python, "-c", WHO_IS_HERE.read_text(), "60", *sorted(addresses)]
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
