"""Which jobs were lost with their head: what this machine recorded, against what Ray says."""

from pathlib import Path

import pytest

from deploy.cluster.ray_api import SubmittedJob
from deploy.operate.job_records import JobLine, JobRecord, JobRecords, job_lines

AGAIN = "invoke job.submit --env dev -- python train.py"


def a_record(job: str = "job-1", epoch: int = 3, ended: str = "") -> JobRecord:
    return JobRecord(job, epoch, AGAIN, ended)


def a_job(job: str = "job-1", status: str = "RUNNING", error: str = "") -> SubmittedJob:
    return SubmittedJob(job, status, "python train.py", error, 1_800_000_000.0)


@pytest.mark.parametrize(
    ("record", "job", "epoch", "status"),
    [
        (a_record(), a_job(), 3, "RUNNING"),
        (a_record(), None, 4, "LOST"),
        (a_record(ended="SUCCEEDED"), None, 4, "SUCCEEDED"),
        (a_record(), a_job(status="FAILED", error="JOB_SUPERVISOR_ACTOR_DIED"), 4, "LOST"),
        (a_record(), a_job(status="FAILED", error="JOB_SUPERVISOR_ACTOR_DIED"), 3, "FAILED"),
        (a_record(), a_job(status="FAILED", error="JOB_ENTRYPOINT_COMMAND_ERROR"), 4, "FAILED"),
        (a_record(), a_job(status="SUCCEEDED"), 4, "SUCCEEDED"),
        (a_record(), None, 3, "UNKNOWN"),
    ],
)
def test_a_job_is_lost_when_another_head_leads_and_nothing_says_how_it_ended(
    record: JobRecord, job: SubmittedJob | None, epoch: int, status: str
) -> None:
    [line] = job_lines([record], [job] if job else [], epoch)

    assert (line.id, line.status) == ("job-1", status)
    assert line.again == (AGAIN if status == "LOST" else "")


def test_a_job_of_somebody_else_is_listed_as_ray_says() -> None:
    [line] = job_lines([], [a_job("job-9", "FAILED", "JOB_SUPERVISOR_ACTOR_DIED")], 7)

    assert (line.id, line.status, line.entrypoint) == ("job-9", "FAILED", "python train.py")


def test_a_final_status_that_was_seen_is_kept(tmp_path: Path) -> None:
    records = JobRecords(tmp_path, "dev")
    assert records.all() == ()
    records.add(a_record("job-1"))
    records.add(a_record("job-2"))

    records.note_ended([a_job("job-1", "STOPPED"), a_job("job-2"), a_job("job-3", "FAILED")])

    assert [(one.id, one.ended) for one in JobRecords(tmp_path, "dev").all()] == [
        ("job-1", "STOPPED"),
        ("job-2", ""),
    ]
    assert JobRecords(tmp_path, "other").all() == ()


@pytest.mark.parametrize(
    ("entrypoint", "shown"),
    [
        ("python train.py", "python train.py"),
        ("python -c 'import ray\nray.init()'", "python -c 'import ray…"),
        ("x" * 81, f"{'x' * 80}…"),
        ("", ""),
    ],
)
def test_a_command_is_listed_in_one_line(entrypoint: str, shown: str) -> None:
    assert JobLine("job-1", "RUNNING", entrypoint).command == shown
