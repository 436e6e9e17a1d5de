"""Jobs that were submitted from this machine, and which of them were lost with their head.

A head that is lost takes what ran on it along, and without stored state also what Ray knew of it.
So a record is kept here: a file of JSON lines for each environment. No AWS.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.cluster.ray_api import FINISHED, SubmittedJob

LOST = "LOST"
LONGEST = 80  # characters of a command in a list
# What Ray says of a job that was running when its head was lost, where state is stored
# (JobErrorType in ray/dashboard/modules/job/common.py; job_manager.py, _monitor_job_internal).
WITH_THE_HEAD = frozenset(
    {
        "JOB_SUPERVISOR_ACTOR_DIED",
        "JOB_SUPERVISOR_ACTOR_START_FAILURE",
        "JOB_SUPERVISOR_ACTOR_START_TIMEOUT",
        "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE",
    }
)


@dataclass(frozen=True)
class JobRecord:
    """A job, the lease's epoch when it was submitted, and the command that submits it again.

    ``ended`` is its final status once it was seen; empty before.
    """

    id: str
    epoch: int
    again: str
    ended: str = ""


@dataclass(frozen=True)
class JobLine:
    """A job as a person sees it; ``again`` is the command to run it again, if it was lost.

    ``started``: seconds since the epoch; 0 before it started, and of a job that Ray has forgotten.
    """

    id: str
    status: str
    entrypoint: str
    again: str = ""
    started: float = 0.0

    @property
    def command(self) -> str:
        """Its entrypoint in one line, cut when it is long."""
        first, *more = self.entrypoint.splitlines() or [""]
        return f"{first[:LONGEST]}…" if more or len(first) > LONGEST else first

    @property
    def is_lost(self) -> bool:
        """It was running, or may have been, when its head was lost."""
        return self.status == LOST


class JobRecords:
    """The file of one environment."""

    def __init__(self, home: Path, environment: str) -> None:
        self._path = home / "jobs" / f"{environment}.jsonl"

    def all(self) -> tuple[JobRecord, ...]:
        """Return the records, oldest first; of each job the newest."""
        try:
            lines = self._path.read_text().splitlines()
        except FileNotFoundError:
            return ()
        records = [JobRecord(**json.loads(line)) for line in lines if line.strip()]
        return tuple({record.id: record for record in records}.values())

    def add(self, record: JobRecord) -> None:
        """Append a record."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(record)) + "\n")

    def note_ended(self, jobs: Iterable[SubmittedJob]) -> None:
        """Keep the final status of jobs that have ended, which a head that is lost forgets."""
        ended = {job.id: job.status for job in jobs if job.status in FINISHED}
        for record in self.all():
            if not record.ended and record.id in ended:
                self.add(JobRecord(record.id, record.epoch, record.again, ended[record.id]))


def job_lines(
    records: Iterable[JobRecord], jobs: Iterable[SubmittedJob], epoch: int
) -> tuple[JobLine, ...]:
    """Return all jobs, those first that Ray has forgotten; ``epoch`` is the lease's now."""
    known = {job.id: job for job in jobs}
    kept = {record.id: record for record in records}
    forgotten = [_line(record, None, epoch) for id, record in kept.items() if id not in known]
    return (*forgotten, *(_line(kept.get(job.id), job, epoch) for job in known.values()))


def _line(record: JobRecord | None, job: SubmittedJob | None, epoch: int) -> JobLine:
    """Return the line of a job that is recorded, or known to Ray, or both."""
    id, entrypoint = (job.id, job.entrypoint) if job else (record.id if record else "", "")
    started = job.started if job else 0.0
    if record and is_lost(record, job, epoch):
        return JobLine(id, LOST, entrypoint, record.again, started)
    status = job.status if job else (record.ended if record else "")
    return JobLine(id, status or "UNKNOWN", entrypoint, started=started)


def is_lost(record: JobRecord, job: SubmittedJob | None, epoch: int) -> bool:
    """Say whether a job was lost with the head that it was submitted to.

    So it is if it was submitted under another epoch, and Ray no longer knows it, or says that what
    ran it died.
    """
    if record.epoch == epoch:
        return False
    if job is None:
        return not record.ended
    return job.status == "FAILED" and job.error_type in WITH_THE_HEAD
