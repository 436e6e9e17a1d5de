"""Task: Ray's dashboard, jobs API and client on this machine."""

from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import DEFAULT_ENV, ENV, Count, clients_of, environment_at, until_stopped

if TYPE_CHECKING:
    from common.environment import Environment
    from deploy.operate.connection import Ports

DASHBOARD, CLIENT = Count(8265), Count(10001)


@task(
    help={
        "env": ENV,
        "dashboard": "this machine's port for dashboard and jobs (default: 8265)",
        "client": "this machine's port for Ray client (default: 10001)",
    }
)
def connect(
    c: Context, env: str = DEFAULT_ENV, dashboard: int = DASHBOARD, client: int = CLIENT
) -> None:
    """Open ENV's dashboard, jobs API and Ray client on this machine, until Ctrl-C."""
    with plain_errors():
        from deploy.operate.connection import Ports

        # Before this process leaves the network of this machine: a browser is there.
        ports = Ports.listening(dashboard, client)
        hold(environment_at(env), ports)


def hold(environment: "Environment", ports: "Ports") -> None:
    """Print what to paste, and forward until a signal to stop."""
    from common.checkout import home
    from common.waiting import SystemClock
    from deploy.operate.connection import Connection, token_file
    from deploy.report.console import console

    def say(words: str) -> None:
        console.print(f"{environment.name}: {words}", markup=False)

    clients = clients_of(environment)
    with (
        until_stopped(say),
        token_file(clients, environment, home()) as token,
        Connection(clients, environment, ports) as connection,
    ):
        paste, server, client = connection.lines(token)
        console.print("In another terminal:", paste, server, client, sep="\n", markup=False)
        console.print(
            f"The dashboard, {server.partition('=')[2]}, asks for the token in {token}",
            markup=False,
        )
        connection.watch(SystemClock(), say)
