"""ECS on Fargate: tasks that run, services that keep as many as desired, deployments that roll.

moto keeps clusters and task definitions as they are registered, and that is used. Its tasks run
nothing, and its services make no tasks; both are replaced here. ``definitions`` checks what may be
registered, ``tasks`` is the life of one task, ``services`` and ``scheduler`` keep services,
``runtime`` is what localcloud/containers/ reads and reports, ``api`` and ``service_api`` answer.
"""

from localcloud.patches.ecs import api, definitions, lifecycle, scheduler, service_api, spot, usage
from localcloud.world import World


def install() -> None:
    """Put tasks and services in place of moto's."""
    definitions.install()
    api.install()
    service_api.install()


def attach(world: World) -> None:
    """Let the world's clock move tasks and services."""
    spot.follow(None)
    world.reconcilers.append(spot.reconcile)
    world.reconcilers.append(lifecycle.reconcile)
    world.reconcilers.append(scheduler.reconcile)
    usage.reset()
    world.reconcilers.append(usage.reconcile)
