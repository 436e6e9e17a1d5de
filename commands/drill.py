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
from commands.soak import soak

if TYPE_CHECKING:
    from common.environment import Environment
    from common.progress import Say

ONCE = Count(1)
JOB_EVERY = Seconds(0.2)
SOAK = Seconds(30)


@task(
    default=True,
    positional=["name"],
    help={
        "name": "a drill; documents: all of the document pipeline; soak: any, again and again; "
        "--list shows them",
        "runs": "how many times, one after the other (default: 1)",
        "env": ENV,
        "yes": YES,
        "every": "seconds between two jobs of the client (default: 0.2)",
        "minutes": "of a soak (default: 30)",
        "seed": "which decides the drills of a soak, and their order (default: 1)",
    },
)
def run(
    c: Context,
    name: str,
    runs: int = ONCE,
    env: str = DEFAULT_ENV,
    yes: bool = False,
    every: float = JOB_EVERY,
    minutes: float = SOAK,
    seed: int = ONCE,
) -> None:
    """Make a failure in ENV, time the recovery, record it; exit 2 when ENV does not recover."""
    with plain_errors():
        begin(name, env, runs, yes, every, minutes, seed)


def begin(
    name: str, env: str, runs: int, yes: bool, every: float, minutes: float, seed: int
) -> None:
    """Show the drills, soak, or run those that a name stands for."""
    if name == "--list":
        show_drills()
    elif name == "soak":
        soak(environment_at(env, inside=True), minutes, seed, every, yes)
    else:
        run_drills(environment_at(env, inside=True), name, runs, yes, every)


def show_drills() -> None:
    """Print every drill, and where it can run."""
    from deploy.report.console import show_table
    from drills.documents.kit.run import ALL, drill_of, local_only, names, tasks_only
    from drills.kit.registry import drills

    rows = [(d.name, d.title, "local cloud only" if d.local_only else "") for d in drills()]
    for name in names():
        drill = drill_of(name)
        limits = (("local cloud", local_only(drill)), ("Fargate", tasks_only(drill)))
        only = ", ".join(where for where, reason in limits if reason)
        where = f"{only} only" if only else ""
        rows.append((name, (drill.__doc__ or "").splitlines()[0], where))
    rows.append((ALL, "All of the pipeline's, one after the other.", ""))
    show_table("Drills", ("name", "what breaks", ""), rows)


def run_drills(environment: "Environment", name: str, runs: int, yes: bool, every: float) -> None:
    """Run a drill so many times; on AWS, say first what it breaks, and ask unless ``yes``."""
    if name.partition(".")[0] == "documents":
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
    """Run a drill of the document pipeline, or all; on AWS, ask first.

    Raises PipelineError when one fails, all others run first. On AWS each costs some minutes of all
    that is replaced.
    """
    from common.errors import PipelineError
    from deploy.report.console import live_steps
    from drills.documents.kit.run import chosen, drill_of

    found = chosen(name, environment)
    if environment.provider == "aws":
        words = "\n".join(f"{one}: {drill_of(one).__doc__}" for one in found)
        approve(f"{words}\nOn {environment.name}, {runs} times each. Go ahead?", yes)
    failures = list[str]()
    with live_steps() as steps:
        for one in found:
            for number in range(1, runs + 1):
                steps.begin(f"{one} {number} of {runs}")
                words, failure = run_documents_drill(environment, one, steps.say)
                steps.end(words)
                failures += [failure] if failure else []
    if failures:
        raise PipelineError("\n".join(failures), hint="see docs/runbooks/documents.md")


def run_documents_drill(environment: "Environment", name: str, say: "Say") -> tuple[str, str]:
    """Run a drill of the pipeline once, and record it; return its figures, and how it failed."""
    from common.checkout import home
    from drills.documents.kit.run import run_drill
    from drills.documents.kit.under_test import pipeline_under_test
    from drills.kit.record import append
    from drills.kit.series import words_of

    run = run_drill(name, pipeline_under_test(environment, clients_of(environment), say))
    path = append(home(), run)
    if run.held:
        return words_of(run), ""
    return "failed", f"{name}: {run.seen}; the record is {path}"


@task(name="report")
def drill_report(c: Context) -> None:
    """Write a report of all recorded drills, as a page and as JSON."""
    with plain_errors():
        from common.checkout import home
        from deploy.report.console import console
        from drills.kit.report import write_report

        console.print(f"report: {write_report(home())}", markup=False)
