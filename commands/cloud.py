"""Tasks cloud.*: start and stop the local cloud, and look at its machines. No AWS."""

import os

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors


@task
def up(c: Context) -> None:
    """Start the local cloud; do nothing when it is up."""
    with plain_errors():
        from deploy.report.console import step
        from localcloud import control

        with step("local cloud") as steps:
            control.up(steps.say)


@task
def down(c: Context) -> None:
    """Stop the local cloud and delete all of it; caches and reports stay."""
    with plain_errors():
        from deploy.report.console import step
        from localcloud import control

        with step("local cloud down") as steps:
            control.down(steps.say)


@task(name="status")
def cloud_status(c: Context) -> None:
    """Show whether the local cloud is up, and its machines."""
    with plain_errors():
        from deploy.report.console import console
        from localcloud import control

        found = control.status()
        state = f"up, process {found.pid}" if found.running else "down"
        console.print(f"local cloud {found.namespace}: {state}; log: {found.log}")
        for machine in found.machines:
            console.print(f"  {machine}")


@task(positional=["instance"], help={"instance": "an instance id from cloud.status"})
def shell(c: Context, instance: str) -> None:
    """Open a root shell on a machine of the local cloud."""
    with plain_errors():
        from localcloud import control

        command = control.shell_command(instance, ["/bin/bash", "--login"])
        os.execvp(command[0], command)  # noqa: S606
