"""Task token.rotate: another token for Ray, on all nodes."""

from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import DEFAULT_ENV, ENV, YES, approve, clients_of, environment_at
from common.started import as_started

if TYPE_CHECKING:
    from common.environment import Environment


@task(name="rotate", help={"env": ENV, "yes": YES})
def token_rotate(c: Context, env: str = DEFAULT_ENV, yes: bool = False) -> None:
    """Replace Ray's token on all nodes of ENV, or finish that; what runs on Ray ends."""
    with plain_errors():
        rotate_token(environment_at(env), yes)


def rotate_token(environment: "Environment", yes: bool) -> None:
    """Show what would end, ask, rotate, and say how to find the jobs that were lost."""
    from functools import partial

    from common.waiting import SystemClock
    from deploy.cluster.ray_access import ray_api
    from deploy.operate.token_rotation import TokenRotation
    from deploy.report.console import console, step

    clients = clients_of(environment)
    api = partial(ray_api, clients, environment)
    with step("ask Ray what runs") as steps:
        rotation = TokenRotation(clients, environment, SystemClock(), api, steps)
        planned = rotation.plan()
    for words in planned.words:
        console.print(words, markup=False)
    approve(f"Rotate the token of {environment.name}?", yes)
    with step("token.rotate") as steps:
        rotation = TokenRotation(clients, environment, SystemClock(), api, steps)
        outcome = rotation.run(planned)
    console.print(str(outcome or "all workers that run have joined"), markup=False)
    console.print(as_started(f"lost jobs: invoke job.list --env {environment.name}"), markup=False)
