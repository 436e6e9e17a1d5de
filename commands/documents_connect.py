"""Task documents.connect: a pipeline's page, and the dashboard of its Ray, on this machine."""

from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import DEFAULT_ENV, ENV, Count, clients_of, environment_at, until_stopped

if TYPE_CHECKING:
    import socket

    from common.environment import Environment

PAGE, DASHBOARD = Count(8000), Count(8265)


@task(
    help={
        "env": ENV,
        "page": "this machine's port for the page and the API (default: 8000)",
        "dashboard": "this machine's port for the dashboard of Ray on Fargate (default: 8265)",
    }
)
def connect(
    c: Context, env: str = DEFAULT_ENV, page: int = PAGE, dashboard: int = DASHBOARD
) -> None:
    """Open the page of ENV's documents, and on Fargate Ray's dashboard, here, until Ctrl-C."""
    with plain_errors():
        from deploy.operate.connection import listening

        # Before this process leaves the network of this machine: a browser is there.
        options = "--page, --dashboard"
        ports = listening(page, options), listening(dashboard, options)
        hold(environment_at(env), *ports)


def hold(environment: "Environment", page: "socket.socket", dashboard: "socket.socket") -> None:
    """Print where they are, and forward until a signal to stop."""
    from common.waiting import SystemClock
    from deploy.documents.pipeline import PORT, usable_pipeline
    from deploy.documents.road import road_to_pipeline
    from deploy.reach.forward import Forward
    from deploy.reach.watch import RoadWatch
    from deploy.report.console import console
    from node.contract import DASHBOARD_PORT

    def say(words: str) -> None:
        console.print(f"{environment.name}: {words}", markup=False)

    clients = clients_of(environment)
    pipeline = usable_pipeline(clients, environment)
    road = road_to_pipeline(clients, pipeline)
    forwards = [(page, PORT)] + ([] if pipeline.on_cluster else [(dashboard, DASHBOARD_PORT)])
    with until_stopped(say):
        opened = [Forward(listener, road, port) for listener, port in forwards]
        try:
            for name, forward in zip(("page", "dashboard"), opened, strict=False):
                say(f"the {name} is http://127.0.0.1:{forward.local_port}")
            say(f"the page asks for the token in the secret {pipeline.outputs['TokenSecretArn']}")
            RoadWatch(road, "/healthz", PORT).run(SystemClock(), say)
        finally:
            for forward in opened:
                forward.close()
            road.close()
