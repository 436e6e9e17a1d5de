"""Fargate Spot on request: interruptions, and no capacity.

Follows "Amazon ECS clusters for Fargate: Fargate Spot termination notices" (docs.aws.amazon.com/
AmazonECS/latest/developerguide/fargate-capacity-providers.html: the task gets SIGTERM when the
warning is sent, and is killed after its stopTimeout, at most two minutes later; its stopCode is
SpotInterruption). As for Spot instances, another process writes each task, and when the warning is
sent, to a file (``follow``). A declared shortage of the type ``fargate`` in the market ``spot`` or
``on-demand`` (localcloud/patches/shortages.py) leaves the scheduler without capacity.
"""

from localcloud.declarations import Declarations
from localcloud.patches import shortages
from localcloud.patches.ecs import lifecycle
from localcloud.patches.ecs.records import task_of

_announced = Declarations()
follow = _announced.follow  # per line a task and a time
REASON = "Your Spot Task was interrupted."


def reconcile(now: float) -> None:
    """Interrupt the tasks whose time has come; only those on Spot."""
    for task_id, at in _announced.pairs():
        task = task_of(task_id)
        if task and task.provider == "FARGATE_SPOT" and now >= float(at):
            lifecycle.stop(task, "SpotInterruption", REASON)


def is_short(provider: str) -> bool:
    """Say whether there is no capacity of a provider now."""
    market = "spot" if provider == "FARGATE_SPOT" else "on-demand"
    return shortages.capacity("fargate", "*", market) == 0
