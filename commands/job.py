"""Tasks job.*: submit a command as a job, list jobs, print their logs, stop them."""

import sys
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from commands.failures import FAILED, plain_errors
from commands.shared import DEFAULT_ENV, ENV, JSON, clients_of, environment_at
from common.started import as_started

if TYPE_CHECKING:
    from deploy.operate.jobs import JobRequest, Jobs

ID = "a job id from job.list"


@task(
    name="submit",
    help={
        "env": ENV,
        "working-dir": "a folder that is sent along, and in which the command runs",
        "runtime-env": "a YAML file: Ray's runtime environment",
        "on-head": "run its driver on the head, not on a worker",
        "follow": "print the log until the job has ended; exit 2 unless it succeeded",
    },
)
def job_submit(
    c: Context,
    env: str = DEFAULT_ENV,
    working_dir: str = "",
    runtime_env: str = "",
    on_head: bool = False,
    follow: bool = False,
) -> None:
    """Submit what follows -- as a job: invoke job.submit -- python train.py."""
    with plain_errors():
        from deploy.operate.jobs import JobRequest

        request = JobRequest.from_arguments(sys.argv, working_dir, runtime_env, on_head)
        submit_job(jobs_of(env), request, follow)


def submit_job(jobs: "Jobs", request: "JobRequest", follow: bool) -> None:
    """Submit a job and print its id; with ``follow`` its log too, until it has ended."""
    job = jobs.submit(request)
    print(job, flush=True)
    if follow:
        end_with(jobs.follow(job))


@task(name="list", help={"env": ENV, "json": JSON})
def job_list(c: Context, env: str = DEFAULT_ENV, json: bool = False) -> None:
    """List the jobs of ENV; those that were lost with their head too, if submitted from here."""
    with plain_errors():
        lines = jobs_of(env).lines()
        from deploy.report.console import console, print_json, show_table

        if json:
            print_json([vars(line) for line in lines])
            return
        rows = [(line.id, line.status, line.command) for line in lines]
        show_table(f"Jobs of {env}", ("job", "status", "command"), rows)
        for line in lines:
            if line.is_lost:
                again = as_started(line.again)
                console.print(f"{line.id} was lost; again: {again}", markup=False)


@task(name="logs", positional=["job"], help={"env": ENV, "job": ID, "follow": "until it has ended"})
def job_logs(c: Context, job: str, env: str = DEFAULT_ENV, follow: bool = False) -> None:
    """Print the log of a job of ENV."""
    with plain_errors():
        status = jobs_of(env).logs(job, follow=follow)
        if follow:
            end_with(status)


@task(name="stop", positional=["job"], help={"env": ENV, "job": ID})
def job_stop(c: Context, job: str, env: str = DEFAULT_ENV) -> None:
    """Stop a job of ENV."""
    with plain_errors():
        jobs_of(env).stop(job)


def jobs_of(env: str) -> "Jobs":
    """Return the jobs of an environment, with Ray's own command to work with them."""
    from commands.ray_runtime import ray_command
    from common.checkout import cache, home
    from common.waiting import SystemClock
    from deploy.operate.jobs import Jobs

    ray = ray_command(cache())  # before this process leaves the network of this machine
    environment = environment_at(env)
    return Jobs(clients_of(environment), environment, home(), ray, SystemClock())


def end_with(status: str) -> None:
    """Print the final status of a job; exit 2 unless it succeeded."""
    print(f"the job has {status.lower()}")
    if status != "SUCCEEDED":
        raise Exit("", FAILED)
