"""Tasks drill.*: run drills, list them, report on them."""

from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import (
    DEFAULT_ENV,
    ENV,
    YES,
    Count,
    Seconds,
    approve,
    clients_of,
    environment_at,
)

if TYPE_CHECKING:
    from common.environment import Environment

ONCE = Count(1)
JOB_EVERY = Seconds(0.2)


@task(
    default=True,
    positional=["name"],
    help={
        "name": "a drill; --list shows them all",
        "runs": "how many times, one after the other (default: 1)",
        "env": ENV,
        "yes": YES,
        "every": "seconds between two jobs of the client (default: 0.2)",
    },
)
def run(
    c: Context,
    name: str,
    runs: int = ONCE,
    env: str = DEFAULT_ENV,
    yes: bool = False,
    every: float = JOB_EVERY,
) -> None:
    """Make a failure in ENV, time the recovery, record it; exit 2 when ENV does not recover."""
    with plain_errors():
        if name == "--list":
            show_drills()
        else:
            run_drills(environment_at(env, inside=True), name, runs, yes, every)


def show_drills() -> None:
    """Print every drill, and where it can run."""
    from deploy.report.console import show_table
    from drills.documents.kit.run import drill_of, names
    from drills.kit.registry import drills

    rows = [(d.name, d.title, "local cloud only" if d.local_only else "") for d in drills()]
    rows += [(name, (drill_of(name).__doc__ or "").splitlines()[0], "") for name in names()]
    show_table("Drills", ("name", "what breaks", ""), rows)


def run_drills(environment: "Environment", name: str, runs: int, yes: bool, every: float) -> None:
    """Run a drill so many times; on AWS, say first what it breaks, and ask unless ``yes``."""
    if name.startswith("documents."):
        run_documents_drills(environment, name, runs, yes)
        return
    from common.checkout import home
    from deploy.report.console import live_steps
    from drills.kit.registry import drill_for
    from drills.kit.series import run_series, warning

    drill, clients = drill_for(name, environment), clients_of(environment)
    if environment.provider == "aws":
        approve(f"{warning(drill, environment, runs)}\nGo ahead?", yes)
    with live_steps() as steps:
        run_series(drill, environment, clients, steps, home=home(), runs=runs, job_every=every)


def run_documents_drills(environment: "Environment", name: str, runs: int, yes: bool) -> None:
    """Run a drill of the document pipeline; on AWS, ask first. Raises PipelineError when it fails.

    On AWS it costs some minutes of the tasks that are replaced.
    """
    from common.checkout import home
    from common.errors import PipelineError
    from deploy.report.console import live_steps
    from drills.documents.kit.run import drill_of, run_drill
    from drills.documents.kit.under_test import pipeline_under_test
    from drills.kit.record import append
    from drills.kit.series import words_of

    drill, clients = drill_of(name), clients_of(environment)
    if environment.provider == "aws":
        approve(f"{name} on {environment.name}, {runs} times: {drill.__doc__}\nGo ahead?", yes)
    with live_steps() as steps:
        for number in range(1, runs + 1):
            steps.begin(f"{name} {number} of {runs}")
            run = run_drill(name, pipeline_under_test(environment, clients), steps)
            path = append(home(), run)
            if not run.held:
                raise PipelineError(f"{name}: {run.seen}", hint=f"the record is {path}")
            steps.end(words_of(run))


@task(name="report")
def drill_report(c: Context) -> None:
    """Write a report of all recorded drills, as a page and as JSON."""
    with plain_errors():
        from common.checkout import home
        from deploy.report.console import console
        from drills.kit.report import write_report

        console.print(f"report: {write_report(home())}", markup=False)
