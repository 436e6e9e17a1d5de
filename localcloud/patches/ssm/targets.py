"""What a session can be with: an instance, or a container of a task that takes ECS Exec.

A container's target is ``ecs:CLUSTER_TASK_RUNTIME``, as ``aws ecs execute-command`` names it
(github.com/aws/aws-cli, awscli/customizations/ecs/executecommand.py).
"""

import re

from localcloud.driver import Power
from localcloud.patches.ecs import managed_agents, records
from localcloud.world import World

CONTAINER = re.compile(r"ecs:\w[\w-]*_([0-9a-f]{32})_([\w-]+)")


def task_in(target: str) -> str:
    """Return the id of a target's task; empty for an instance."""
    found = CONTAINER.fullmatch(target)
    return found[1] if found else ""


def container_in(target: str) -> str:
    """Return the runtime's id of a target's container; empty for an instance."""
    found = CONTAINER.fullmatch(target)
    return found[2] if found else ""


def is_connected(world: World, target: str) -> bool:
    """Say whether the agent of a target is there."""
    task_id = task_in(target)
    if not task_id:
        return world.driver.power(target) is Power.UP
    task = records.task_of(task_id) if records.is_used() else None
    return task is not None and any(
        target == target_of(task, one) and managed_agents.is_connected(task, one)
        for one in task.containers
    )


def target_of(task: records.Task, container: records.Container) -> str:
    """Return the target of a session with a container."""
    return f"ecs:{task.cluster}_{task.task_id}_{container.runtime_id}"
