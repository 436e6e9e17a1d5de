"""Tasks: plan, deploy, roll back, destroy. Each shows its plan and asks before it changes AWS."""

from functools import partial
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import (
    BREAK_LOCK,
    DEFAULT_ENV,
    ENV,
    JSON,
    YES,
    approve,
    clients_of,
    environment_at,
)
from common.started import as_started

if TYPE_CHECKING:
    from common.clients import Clients
    from common.environment import Environment
    from common.waiting import Clock
    from deploy.plan.steps import Plan
    from deploy.release.release import Release
    from deploy.release.rollout_journal import Journal
    from deploy.report.console import LiveSteps
    from deploy.rollout.prepare import Prepared

CHANGES = {"env": ENV, "yes": YES, "break-lock": BREAK_LOCK}
# A question while the deploy lock is held: it lapses 30 s after its last renewal.
ANSWER_SECONDS = 20.0


@task(help={"env": ENV, "json": JSON})
def plan(c: Context, env: str = DEFAULT_ENV, json: bool = False) -> None:
    """Show what a deploy would change and interrupt in ENV; change nothing."""
    with plain_errors():
        environment = environment_at(env)
        from common.waiting import SystemClock
        from deploy.rollout.prepare import prepare_deploy

        clients = clients_of(environment)
        prepared = prepare_deploy(environment, clients, clock=SystemClock())
        print_briefing(prepared, json)


@task(help=CHANGES)
def deploy(c: Context, env: str = DEFAULT_ENV, yes: bool = False, break_lock: bool = False) -> None:
    """Show the plan for ENV, ask, carry it out and verify it; roll back when that fails."""
    with plain_errors():
        carry_out(environment_at(env), "deploy", None, yes=yes, break_lock=break_lock)


@task(help={**CHANGES, "to": "a release id (default: the previous release)"})
def rollback(
    c: Context, env: str = DEFAULT_ENV, to: str = "", yes: bool = False, break_lock: bool = False
) -> None:
    """Roll ENV back to an earlier release."""
    with plain_errors():
        environment = environment_at(env)
        from deploy.release.releases import previous_release_of, release_named

        clients = clients_of(environment)
        release = (
            release_named(clients, environment, to)
            if to
            else previous_release_of(clients, environment)
        )
        carry_out(environment, "rollback", release, yes=yes, break_lock=break_lock)


@task(help=CHANGES)
def destroy(
    c: Context, env: str = DEFAULT_ENV, yes: bool = False, break_lock: bool = False
) -> None:
    """Delete everything that was deployed to ENV; the images stay."""
    with plain_errors():
        delete_all(environment_at(env), yes, break_lock)


def carry_out(
    environment: "Environment",
    kind: str,
    release: "Release | None",
    *,
    yes: bool,
    break_lock: bool,
    resumes: bool = False,
) -> None:
    """Plan, ask, and roll: the one way to change what a cluster serves, or that it does."""
    from common.waiting import SystemClock
    from deploy.report.console import console, live_steps
    from deploy.rollout.operation import Operation

    clients = clients_of(environment)
    prepare = partial(prepared_for, environment, clients, resumes=resumes)
    prepared = prepare(SystemClock(), release)
    print_findings(prepared)
    print_briefing(prepared)
    if not prepared.rollout.plan.is_empty:
        approve("Go ahead?", yes)
        with live_steps() as steps:
            operation = Operation(
                environment,
                clients,
                SystemClock(),
                prepare,
                steps,
                kind=kind,
                stop_or_undo=partial(ask_to_roll_back, steps),
                agree=partial(ask_again, steps, yes),
            )
            try:
                operation.run(prepared, break_lock=break_lock)
            finally:
                steps.stop()
                print_report(operation.journal)
    console.print(f"[dim]{clients.calls} AWS calls[/dim]")


def delete_all(environment: "Environment", yes: bool, break_lock: bool) -> None:
    """Plan, ask, and delete what was deployed."""
    from common.waiting import SystemClock
    from deploy.report.console import live_steps
    from deploy.rollout.prepare import prepare_destroy

    destruction = prepare_destroy(environment, clients_of(environment), clock=SystemClock())
    print_plan(destruction.plan)
    if not destruction.plan.is_empty:
        approve(f"Delete all of {environment.name}?", yes)
        with live_steps() as steps:
            destruction.run_locked(steps, break_lock=break_lock)


def prepared_for(
    environment: "Environment",
    clients: "Clients",
    clock: "Clock",
    release: "Release | None",
    *,
    resumes: bool = False,
) -> "Prepared":
    """Return a rollout to a release; to the one that the environment asks for when None."""
    from deploy.rollout.prepare import prepare_deploy

    return prepare_deploy(environment, clients, clock=clock, release=release, resumes=resumes)


def ask_to_roll_back(steps: "LiveSteps") -> bool:
    """Ask a person who interrupted a rollout."""
    from deploy.report.console import confirm

    steps.stop()
    question = f"Stopped. Roll back to the previous release? ({ANSWER_SECONDS:.0f} s)"
    return confirm(question, ANSWER_SECONDS)


def ask_again(steps: "LiveSteps", yes: bool, prepared: "Prepared") -> bool:
    """Show a plan that differs from the one that was approved, and ask unless ``yes``."""
    from deploy.report.console import confirm, console

    steps.stop()
    console.print("The plan has changed since it was shown:")
    print_plan(prepared.rollout.plan)
    return yes or confirm(f"Go ahead? ({ANSWER_SECONDS:.0f} s)", ANSWER_SECONDS)


def print_plan(plan: "Plan") -> None:
    """Print a plan for a person."""
    from deploy.report.console import console

    for words in plan.words or (f"{plan.environment}: nothing to change",):
        console.print(words, markup=False)


def print_findings(prepared: "Prepared") -> None:
    """Print what preflight reports."""
    from deploy.report.console import console

    for finding in prepared.findings:
        hint = f" ({as_started(finding.hint)})" if finding.hint else ""
        console.print(f"note: {finding.words}{hint}", markup=False)


def print_briefing(prepared: "Prepared", as_json: bool = False) -> None:
    """Print what a plan would mean for the cluster, for a person or as JSON."""
    from deploy.report.briefing import brief
    from deploy.report.console import console, print_json

    briefing = brief(prepared)
    if as_json:
        print_json(briefing.as_json())
        return
    for words in briefing.words:
        console.print(words, markup=False)


def print_report(journal: "Journal | None") -> None:
    """Write a rollout's report as a page and as JSON, and say where; never hide another error."""
    from common.checkout import home
    from deploy.report.console import console
    from deploy.report.rollout_report import write_report

    if journal is None:
        return
    try:
        page = write_report(journal, home() / "rollouts" / journal.id)
        console.print(f"report: {page}", markup=False)
    except OSError as error:
        console.print(f"note: the report could not be written: {error}", markup=False)
