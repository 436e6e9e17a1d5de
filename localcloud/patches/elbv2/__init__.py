"""Network load balancers that are provisioned, probe their targets and know where traffic may go.

The data plane itself is localcloud/balancer.py; it follows ``forwarding.plans()``.
"""

from functools import cache

from localcloud.patches.elbv2 import balancers, health, records, target_groups
from localcloud.world import World


@cache
def install() -> None:
    """Correct load balancers and target groups in moto."""
    balancers.install()
    target_groups.install()


def attach(world: World) -> None:
    """Check targets and provision load balancers as time goes by."""
    world.reconcilers.append(_step)


def _step(now: float) -> None:
    for backend in records.backends():
        for target_group in list(backend.target_groups.values()):
            health.step(backend, target_group, now)
        for load_balancer in list(backend.load_balancers.values()):
            balancers.step(backend, load_balancer, now)
