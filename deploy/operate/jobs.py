"""Jobs of an environment: submitted by Ray's own tool, and followed across the loss of a head.

Touches AWS (the lease, the token, the road to the leader) and the cluster.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from common.clients import Clients
from common.environment import Environment
from common.errors import Interrupted, PipelineError, Refused
from common.waiting import Clock, Seen, wait_for
from common.yaml_file import read_mapping
from deploy.cluster.ray_access import open_road, ray_api
from deploy.cluster.ray_api import FINISHED, ON_HEAD, Unreachable
from deploy.cluster.state import find_lease
from deploy.operate.connection import forwarded, token_file
from deploy.operate.job_records import JobLine, JobRecord, JobRecords, job_lines
from deploy.reach.road import LOCALHOST
from node.contract import DASHBOARD_PORT

OUTCOME_SECONDS = 300.0  # a failover, and Ray's start on another head
TRACEBACK = "Traceback (most recent call last):"
# Between two traces (traceback, _context_message and _cause_message).
CHAINED = ("During handling of the above", "The above exception was")
# Ray's jobs API takes no larger request (ray/dashboard/modules/job/sdk.py sends the folder in one).
TOO_LARGE = "status code 413"
SMALLER = (
    "a working folder may have 100 MiB: leave out what is large, by .gitignore or .rayignore, and "
    "read it from S3"
)


@dataclass(frozen=True)
class JobRequest:
    """A command to run on the cluster; ``working_dir`` is sent along, both may be empty.

    Its driver runs on a worker, unless ``on_head``.
    """

    command: tuple[str, ...]
    working_dir: str = ""
    runtime_env: str = ""
    on_head: bool = False

    @classmethod
    def from_arguments(
        cls, arguments: Sequence[str], working_dir: str, runtime_env: str, on_head: bool = False
    ) -> "JobRequest":
        """Return the request of a command line, whose command follows ``--``, word by word.

        Raises Refused unless there is a command, and what the request names exists.
        """
        words = list(arguments)
        command = tuple(words[words.index("--") + 1 :]) if "--" in words else ()
        request = cls(command, working_dir, runtime_env, on_head)
        request.check()
        return request

    def check(self) -> None:
        """Raise Refused unless there is a command, and what it names exists and can be read."""
        if not self.command:
            raise Refused("there is no command", hint="invoke job.submit -- python train.py")
        seen_from = f"correct it; a relative path begins at {Path.cwd()}"
        if self.working_dir and not Path(self.working_dir).is_dir():
            raise Refused(f"--working-dir {self.working_dir} is not a folder", hint=seen_from)
        if self.runtime_env and not Path(self.runtime_env).is_file():
            raise Refused(f"--runtime-env {self.runtime_env} is not a file", hint=seen_from)
        if self.runtime_env:
            example = "pip: [polars==1.31.0]"
            read_mapping(Path(self.runtime_env), named="--runtime-env", example=example)

    @property
    def rays_options(self) -> tuple[str, ...]:
        """The options of ``ray job submit``."""
        place = ("--entrypoint-label-selector", json.dumps(ON_HEAD)) if self.on_head else ()
        return (*self._folders, *place)

    @property
    def options(self) -> tuple[str, ...]:
        """The options of ``invoke job.submit``."""
        return (*self._folders, *(("--on-head",) if self.on_head else ()))

    @property
    def _folders(self) -> tuple[str, ...]:
        """The options that both have; paths are absolute, since they are used from anywhere."""
        given = {"--working-dir": self.working_dir, "--runtime-env": self.runtime_env}
        return tuple(
            word
            for name, value in given.items()
            if value
            for word in (name, str(Path(value).absolute()))
        )


@dataclass(frozen=True)
class Ended:
    """How Ray's command ended: its exit code, and the last that it wrote to standard error."""

    code: int
    error: str


class Jobs:
    """The jobs of one environment; ``ray`` is the path of Ray's command."""

    def __init__(
        self, clients: Clients, environment: Environment, home: Path, ray: Path, clock: Clock
    ) -> None:
        self._clients, self._environment, self._clock = clients, environment, clock
        self._home, self._ray = home, ray
        self._records = JobRecords(home, environment.name)

    def submit(self, request: JobRequest) -> str:
        """Submit a job and return its id.

        Raises PipelineError when Ray refuses it, and Interrupted when it may have accepted it.
        """
        job = f"job-{uuid4().hex[:12]}"
        epoch = _epoch(self._clients, self._environment)
        options = ("--no-wait", "--submission-id", job, *request.rays_options)
        try:
            ended = self._run("submit", *options, "--", *request.command)
        except KeyboardInterrupt as error:
            hint = f"`invoke job.list --env {self._environment.name}` shows it if Ray accepted it"
            raise Interrupted(f"{job} was being submitted", hint=hint) from error
        if ended.code:
            hint = SMALLER if TOO_LARGE in ended.error else "its words are above"
            raise PipelineError("Ray did not accept the job", hint=hint)
        env = ("--env", self._environment.name)
        again = ("invoke", "job.submit", *env, *request.options, "--", *request.command)
        self._records.add(JobRecord(job, epoch, shlex.join(again)))
        return job

    def follow(self, job: str) -> str:
        """Print a job's log until it has ended; return its final status.

        Raises PipelineError when it was lost with its head, Interrupted when that ended this and
        not the job.
        """
        try:
            while True:
                self._run("logs", "--follow", job)
                status = self._outcome(job)
                if status in FINISHED:
                    return status
        except KeyboardInterrupt as error:
            of = f"--env {self._environment.name} {job}"
            hint = f"invoke job.logs --follow {of}, or invoke job.stop {of} to end it"
            raise Interrupted(f"{job} goes on", hint=hint) from error

    def logs(self, job: str, *, follow: bool = False) -> str:
        """Print a job's log, so far or until it has ended; return its status.

        Raises PipelineError when it was lost, or is unknown.
        """
        status = self._outcome(job)
        if follow:
            return self.follow(job)
        if self._run("logs", job).code:
            raise PipelineError(f"Ray has no log of {job}", hint="`invoke job.list` shows all jobs")
        return status

    def stop(self, job: str) -> None:
        """Stop a job; raises PipelineError when Ray does not."""
        self._outcome(job)
        if self._run("stop", job).code:
            raise PipelineError(f"Ray did not stop {job}", hint="its words are above")

    def lines(self) -> tuple[JobLine, ...]:
        """Return what ``known_jobs`` does."""
        return known_jobs(self._clients, self._environment, self._home)

    def _outcome(self, job: str) -> str:
        """Return a job's status once Ray answers; say so when that takes a while."""
        told = ""

        def look() -> Seen[JobLine]:
            nonlocal told
            try:
                found = {line.id: line for line in self.lines()}
            except Unreachable as error:
                if error.message != told:
                    told = error.message
                    sys.stderr.write(f"{self._environment.name}: {told}; waiting\n")
                return Seen(None, error.message)
            return Seen(found.get(job, JobLine(job, "", "")), "")

        line = wait_for("Ray's answer", look, clock=self._clock, seconds=OUTCOME_SECONDS, every=2.0)
        if line.is_lost:
            raise PipelineError(f"{job} was lost with its head", hint=f"run it again: {line.again}")
        if not line.status:
            raise Refused(f"there is no job {job}", hint="`invoke job.list` shows all jobs")
        return line.status

    def _run(self, *arguments: str) -> "Ended":
        """Run ``ray job``, with its words shown, but of a traceback the error alone."""
        with self._variables() as variables:
            command = [str(self._ray), "job", *arguments]
            with subprocess.Popen(
                command,
                env=os.environ | variables,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            ) as ray:
                error = ""
                try:
                    for error in without_traces(ray.stderr or ()):
                        sys.stderr.write(error)
                        sys.stderr.flush()
                except BaseException:
                    ray.terminate()
                    raise
            return Ended(ray.returncode, error)

    @contextmanager
    def _variables(self) -> Iterator[dict[str, str]]:
        """Yield the variables that lead Ray's tools to the leader."""
        forward = forwarded(open_road(self._clients, self._environment), DASHBOARD_PORT)
        try:
            with token_file(self._clients, self._environment, self._home) as token:
                yield {
                    "RAY_AUTH_MODE": "token",
                    "RAY_AUTH_TOKEN_PATH": str(token),
                    "RAY_API_SERVER_ADDRESS": f"http://{LOCALHOST}:{forward.local_port}",
                }
        finally:
            forward.close()


def without_traces(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines, but of Python's tracebacks only those that say what the error is."""
    inside = after = False
    for line in lines:
        if line.startswith(TRACEBACK):
            inside, after = True, False
        elif not (inside and line[:1].isspace()) and not (after and _joins(line)):
            inside, after = False, inside
            yield line


def _joins(line: str) -> bool:
    """Say whether a line stands between the traces of an error and of what came before it."""
    return not line.strip() or line.startswith(CHAINED)


def known_jobs(clients: Clients, environment: Environment, home: Path) -> tuple[JobLine, ...]:
    """Return all jobs that Ray knows, and those of this machine that it has forgotten.

    Raises Refused when the cluster is paused, Unreachable when Ray cannot be asked.
    """
    open_road(clients, environment)
    records = JobRecords(home, environment.name)
    try:
        jobs = ray_api(clients, environment).submitted_jobs()
    except Unreachable as error:
        hint = error.hint or f"invoke status --env {environment.name}"
        raise Unreachable(error.message, hint=hint) from error
    records.note_ended(jobs)
    return job_lines(records.all(), jobs, _epoch(clients, environment))


def _epoch(clients: Clients, environment: Environment) -> int:
    lease = find_lease(clients, environment)
    return lease.epoch if lease else 0
