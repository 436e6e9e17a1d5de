"""Tasks: pause a cluster, and resume it."""

from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import BREAK_LOCK, DEFAULT_ENV, ENV, YES, approve, clients_of, environment_at
from common.started import as_started

if TYPE_CHECKING:
    from common.environment import Environment

CHANGES = {"env": ENV, "yes": YES, "break-lock": BREAK_LOCK}


@task(help=CHANGES)
def pause(c: Context, env: str = DEFAULT_ENV, yes: bool = False, break_lock: bool = False) -> None:
    """Terminate heads and workers of ENV; names, releases and stored state are kept."""
    with plain_errors():
        pause_cluster(environment_at(env), yes, break_lock)


@task(help=CHANGES)
def resume(c: Context, env: str = DEFAULT_ENV, yes: bool = False, break_lock: bool = False) -> None:
    """Start ENV again after a pause, with the release that it served, and verify it."""
    with plain_errors():
        resume_cluster(environment_at(env), yes, break_lock)


def pause_cluster(environment: "Environment", yes: bool, break_lock: bool) -> None:
    """Say what would be terminated and lost, ask, and do it; nothing when it is so already."""
    from common.waiting import SystemClock
    from deploy.cluster.state import read_state
    from deploy.operate.pause import Pause, plan_pause
    from deploy.report.console import console, live_steps

    clients = clients_of(environment)
    planned = plan_pause(read_state(clients, environment), environment)
    if planned.is_empty:
        console.print(f"{environment.name} is paused", markup=False)
        return
    for words in planned.words:
        console.print(words, markup=False)
    approve(f"Pause {environment.name}?", yes)
    with live_steps() as steps:
        Pause(clients, environment, SystemClock(), steps).run(break_lock=break_lock)
    console.print(as_started(f"invoke resume --env {environment.name}"), markup=False)


def resume_cluster(environment: "Environment", yes: bool, break_lock: bool) -> None:
    """Deploy the release that is served, paused or not: it also finishes a resume that was killed.

    Raises Refused when no deploy has finished.
    """
    from commands.rollout import carry_out
    from deploy.cluster.state import read_state
    from deploy.operate.pause import served_release

    release = served_release(read_state(clients_of(environment), environment), environment)
    carry_out(environment, "resume", release, yes=yes, break_lock=break_lock, resumes=True)
