"""Auto Scaling groups that act over time: each group's step, in AWS's order.

Health first, then each member's own next state, then the capacity. One step makes one transition of
a member, so that every state can be seen. Nothing here sleeps: time is the world's.
"""

from functools import cache

from localcloud.patches.autoscaling import (
    activities,
    groups,
    health,
    hooks,
    lifecycle,
    metrics,
    moves,
    notifications,
    records,
    scaling,
    targets,
)
from localcloud.world import World


@cache
def install() -> None:
    """Replace what moto does at once by what the steps do over time."""
    for part in (activities, groups, health, hooks, metrics, moves, notifications, targets):
        part.install()


def attach(world: World) -> None:
    """Let every group take its step with the world's."""

    def step(now: float) -> None:
        for group in records.groups():
            step_group(group, now)

    world.reconcilers.append(step)


def step_group(group: object, now: float) -> None:
    """Bring one group up to now."""
    health.check(group, now)
    health.replace(group, now)
    for member in list(records.members(group)):
        lifecycle.advance(member, now)
    scaling.scale(group, now)
    groups.forget_if_empty(group)
