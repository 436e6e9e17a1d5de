"""Tasks: look at a cluster and check that it works."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from commands.cost import cost_of_cluster
from commands.failures import FAILED, plain_errors
from commands.shared import DEFAULT_ENV, ENV, JSON, YES, approve, clients_of, environment_at

if TYPE_CHECKING:
    from common.environment import Environment
    from deploy.operate.status_report import Section, StatusReport
    from deploy.verify.check import Check
    from deploy.verify.smoke import JobResult

T = TypeVar("T")
COST_SECONDS = 60.0  # between two looks at what is billed, while a person watches


@task(help={"env": ENV, "json": JSON, "watch": "with jobs and cost on one screen, until Ctrl-C"})
def status(c: Context, env: str = DEFAULT_ENV, json: bool = False, watch: bool = False) -> None:
    """Show the state of ENV and its problems; exit 2 when it is unhealthy."""
    with plain_errors():
        environment = environment_at(env)
        from deploy.operate.status import read_status

        if watch:
            watch_cluster(environment)
        report = read_status(environment, clients_of(environment))
        print_status(report, json)
        if not report.is_healthy:
            raise Exit("", FAILED)


def watch_cluster(environment: "Environment") -> None:
    """Show groups, autoscaler, jobs, cost and alarms on one screen, until Ctrl-C."""
    import time

    from common.checkout import home
    from deploy.operate.jobs import known_jobs
    from deploy.operate.status import read_status
    from deploy.report.console import watch
    from deploy.report.live_view import LiveView

    clients = clients_of(environment)
    cost, asked_at = known(lambda: cost_of_cluster(environment)), time.time()

    def sections() -> "tuple[Section, ...]":
        nonlocal cost, asked_at
        now = time.time()
        if now - asked_at >= COST_SECONDS:
            cost, asked_at = known(lambda: cost_of_cluster(environment)), now
        jobs = known(lambda: known_jobs(clients, environment, home()))
        return LiveView(read_status(environment, clients), jobs, cost, now).sections()

    watch(sections)


def known(read: Callable[[], T]) -> "T | str":
    """Return what is read, or why it cannot be."""
    from common.errors import PipelineError

    try:
        return read()
    except PipelineError as error:
        return f"not known: {error.message}"


def print_status(report: "StatusReport", as_json: bool) -> None:
    """Print a status report for a person or as JSON."""
    from deploy.report.console import print_json, show_report

    if as_json:
        print_json(report.as_json())
    else:
        show_report(report)


@task(
    help={
        "env": ENV,
        "destructive": "also terminate the leader's instance, and time the recovery",
        "yes": YES,
        "json": JSON,
    }
)
def verify(
    c: Context,
    env: str = DEFAULT_ENV,
    destructive: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Check ENV against the acceptance list; exit 2 when a check fails."""
    with plain_errors():
        environment = environment_at(env)
        approve(f"Terminate the leader of {environment.name}?", yes or not destructive)
        checks = run_all_checks(environment, destructive, quiet=json)
        print_checks(checks, json)
        if not all(check.passed for check in checks):
            raise Exit("", FAILED)


def run_all_checks(
    environment: "Environment", destructive: bool, quiet: bool
) -> "tuple[Check, ...]":
    """Return the checks of the acceptance list; ``destructive`` adds the loss of the leader."""
    from common.waiting import SystemClock
    from deploy.foundation.pause import refuse_paused
    from deploy.report.console import step
    from deploy.verify.acceptance import check_delivery, run_checks
    from deploy.verify.head_loss import check_head_loss

    clients, clock = clients_of(environment), SystemClock()
    refuse_paused(clients, environment)
    with step("verify", quiet=quiet) as steps:
        checks = run_checks(clients, environment, clock=clock, progress=steps.say)
        checks += (check_delivery(clients, environment, clock=clock),)
        if destructive:
            checks += check_head_loss(clients, environment, clock=clock, progress=steps.say)
    return checks


def print_checks(checks: "tuple[Check, ...]", as_json: bool) -> None:
    """Print checks for a person or as JSON."""
    from dataclasses import asdict

    from deploy.report.console import console, print_json

    if as_json:
        print_json([asdict(check) for check in checks])
        return
    for check in checks:
        console.print(str(check), markup=False)


@task(help={"env": ENV})
def smoke(c: Context, env: str = DEFAULT_ENV) -> None:
    """Run the smoke job through the stable name, on the head and on every worker of ENV."""
    with plain_errors():
        outcome, nodes = run_smoke(environment_at(env))
        from deploy.report.console import console

        for node in nodes:
            console.print(f"  {node}")
        console.print(
            f"accepted in {outcome.accepted_seconds:.2f} s, done in {outcome.seconds:.1f} s"
        )


def run_smoke(environment: "Environment") -> "tuple[JobResult, list[str]]":
    """Run the smoke job; return its outcome, and a line for each node and each empty group."""
    from common.waiting import SystemClock
    from deploy.cluster.ray_access import ray_api
    from deploy.cluster.ray_instances import ray_instances
    from deploy.foundation.pause import refuse_paused
    from deploy.operate.smoke_words import smoke_words
    from deploy.report.console import step
    from deploy.verify.smoke import run_smoke_job

    clients = clients_of(environment)
    refuse_paused(clients, environment)
    nodes = ray_instances(clients, environment)
    with step(f"smoke job at {environment.head_dns}") as steps:
        api = ray_api(clients, environment)
        outcome, present = run_smoke_job(api, nodes, clock=SystemClock(), progress=steps.say)
    return outcome, smoke_words(present, nodes, environment.workers)
