"""Tasks head.*: which head leads, its logs, a shell on it; restart, replace, hand over."""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import DEFAULT_ENV, ENV, YES, Count, approve, clients_of, environment_at

if TYPE_CHECKING:
    from common.environment import Environment
    from deploy.operate.head_change import HeadAction
    from deploy.operate.head_logs import LogQuery

LINES = Count(50)
HEAD = "a head's instance id (default: the leader)"


@task(name="id", help={"env": ENV})
def head_id(c: Context, env: str = DEFAULT_ENV) -> None:
    """Print the leader's instance id and nothing else; exit 2 when there is no leader."""
    with plain_errors():
        environment = environment_at(env)
        from deploy.cluster.heads import find_heads

        print(find_heads(clients_of(environment), environment).require_leader())


@task(
    name="logs",
    help={
        "env": ENV,
        "id": "a head's instance id (default: the current leader, or the last one)",
        "follow": "print new lines too, until Ctrl-C",
        "lines": "how many lines to begin with (default: 50)",
        "unit": "a systemd unit, or several with commas between (default: ray-head)",
    },
)
def head_logs(
    c: Context,
    env: str = DEFAULT_ENV,
    id: str = "",
    follow: bool = False,
    lines: int = LINES,
    unit: str = "ray-head",
) -> None:
    """Print a head's journal; of a terminated head, the last lines that it shipped."""
    with plain_errors():
        environment = environment_at(env)
        from deploy.operate.head_logs import LogQuery

        query = LogQuery(id, tuple(unit.split(",")), lines, follow)
        print_lines(log_lines(environment, query))


def log_lines(environment: "Environment", query: "LogQuery") -> Iterator[str]:
    """Return the lines of a head's journal that are asked for."""
    from common.waiting import SystemClock
    from deploy.operate.head_logs import HeadLog

    return HeadLog(clients_of(environment), environment, query, SystemClock()).lines()


def print_lines(lines: Iterable[str]) -> None:
    """Print each line at once; end quietly when the reader of a pipe has closed it.

    The way to do so: docs.python.org/3/library/signal.html#note-on-sigpipe.
    """
    for line in lines:
        try:
            print(line, flush=True)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return


@task(name="shell", help={"env": ENV, "id": HEAD})
def head_shell(c: Context, env: str = DEFAULT_ENV, id: str = "") -> None:
    """Open a shell on the leader, or on another head."""
    with plain_errors():
        environment = environment_at(env)
        from deploy.cluster.heads import find_heads

        instance = find_heads(clients_of(environment), environment).select(id)
        command = session_with(environment, instance)
        os.execvp(command[0], command)  # noqa: S606


def session_with(environment: "Environment", instance: str) -> list[str]:
    """Return the command that opens a shell on an instance, wherever it runs."""
    if environment.provider == "localcloud":
        from localcloud import control

        return control.shell_command(instance, ["/bin/bash", "--login"])
    from deploy.operate.session import session_command

    return session_command(instance, environment.region)


@task(name="restart", help={"env": ENV, "id": HEAD, "yes": YES})
def head_restart(c: Context, env: str = DEFAULT_ENV, id: str = "", yes: bool = False) -> None:
    """Restart Ray on a head; print for how long there was no head."""
    with plain_errors():
        change_head(environment_at(env), "restart", id, yes)


@task(name="replace", help={"env": ENV, "id": HEAD, "yes": YES})
def head_replace(c: Context, env: str = DEFAULT_ENV, id: str = "", yes: bool = False) -> None:
    """Replace a head, after a hand-over to a standby if there is one, and await its successor."""
    with plain_errors():
        change_head(environment_at(env), "replace", id, yes)


@task(name="hand-over", help={"env": ENV, "yes": YES})
def head_hand_over(c: Context, env: str = DEFAULT_ENV, yes: bool = False) -> None:
    """Hand the lease over to the standby; print for how long there was no head."""
    with plain_errors():
        change_head(environment_at(env), "hand-over", "", yes)


def change_head(environment: "Environment", action: "HeadAction", instance: str, yes: bool) -> None:
    """Show what would be done to which head, ask, do it, and print the outcome."""
    from functools import partial

    from common.waiting import SystemClock
    from deploy.cluster.heads import find_heads
    from deploy.cluster.ray_access import ray_api
    from deploy.operate.head_change import HeadChange, plan_change
    from deploy.report.console import console, step

    clients = clients_of(environment)
    change = plan_change(action, find_heads(clients, environment), instance)
    console.print(f"{environment.name}: {change.words}", markup=False)
    approve("Go ahead?", yes)
    with step(f"head.{action}") as steps:
        api = partial(ray_api, clients, environment)
        outcome = HeadChange(clients, environment, SystemClock(), api, steps).run(change)
    console.print(str(outcome or f"{change.head}: done"), markup=False)
