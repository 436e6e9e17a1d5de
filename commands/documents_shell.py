"""Task documents.shell: a shell in a task of the document pipeline."""

import os
import sys
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import DEFAULT_ENV, ENV, clients_of, environment_at

if TYPE_CHECKING:
    from common.environment import Environment
    from deploy.documents.shell import ShellRequest
    from deploy.reach.plugin import PluginCall


@task(
    help={
        "env": ENV,
        "worker": "in a worker's task, not the head's",
        "task": "in this running task, by its id",
    }
)
def shell(c: Context, env: str = DEFAULT_ENV, worker: bool = False, task: str = "") -> None:
    """Open a shell in the head's task on Fargate, or run what follows --: documents.shell -- ls."""
    with plain_errors():
        from deploy.documents.shell import ShellRequest

        on_terminal = sys.stdin.isatty()
        request = ShellRequest.from_arguments(sys.argv, worker, task, on_terminal=on_terminal)
        call = shell_in(environment_at(env), request)
        os.execve(call.command[0], call.command, call.environment)  # noqa: S606


def shell_in(environment: "Environment", request: "ShellRequest") -> "PluginCall":
    """Start the session, say in which task, and return how its terminal is started."""
    from deploy.documents.pipeline import usable_pipeline
    from deploy.documents.shell import open_shell, task_for
    from deploy.reach.plugin import find_plugin
    from deploy.report.console import console

    clients = clients_of(environment)
    found = task_for(clients, usable_pipeline(clients, environment), request)
    plugin = find_plugin(f"a shell in task {found.task_id} needs Session Manager's plugin")
    call = open_shell(clients, plugin, found, request.command)
    console.print(f"{environment.name}: in task {found.task_id}, as root", markup=False)
    return call
