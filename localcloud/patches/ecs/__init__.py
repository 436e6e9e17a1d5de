"""ECS on Fargate: tasks that run, services that keep as many as desired, deployments that roll.

moto keeps clusters and task definitions as they are registered, and that is used. Its tasks run
nothing, and its services make no tasks; both are replaced here. ``definitions`` checks what may be
registered, ``tasks`` is the life of one task, ``services`` and ``scheduler`` keep services,
``runtime`` is what localcloud/containers/ reads and reports, ``api`` and ``service_api`` answer.
"""

from localcloud.patches.ecs import (
    api,
    definitions,
    lifecycle,
    records,
    scheduler,
    service_api,
    spot,
    usage,
)
from localcloud.world import World


def install() -> None:
    """Put tasks and services in place of moto's."""
    definitions.install()
    api.install()
    service_api.install()


def attach(world: World) -> None:
    """Let the world's clock move tasks and services."""
    spot.follow(None)
    usage.reset()
    world.reconcilers.append(_step)


def _step(now: float) -> None:
    if records.is_used():
        spot.reconcile(now)
        lifecycle.reconcile(now)
        scheduler.reconcile(now)
        usage.reconcile(now)
