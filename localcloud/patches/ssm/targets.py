"""What a session can be with: an instance, or a container of a task that takes ECS Exec.

A container's target is ``ecs:CLUSTER_TASK_RUNTIME``, as ``aws ecs execute-command`` names it
(github.com/aws/aws-cli, awscli/customizations/ecs/executecommand.py). An agent runs in it only
where ECS Exec was enabled when its task was started:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html.
"""

import re

from localcloud.driver import Power
from localcloud.patches.ecs import records
from localcloud.patches.ecs.records import RUNNING
from localcloud.world import World

CONTAINER = re.compile(r"ecs:\w[\w-]*_([0-9a-f]{32})_[\w-]+")


def task_in(target: str) -> str:
    """Return the id of a target's task; empty for an instance."""
    found = CONTAINER.fullmatch(target)
    return found[1] if found else ""


def is_connected(world: World, target: str) -> bool:
    """Say whether the agent of a target is there."""
    task_id = task_in(target)
    if not task_id:
        return world.driver.power(target) is Power.UP
    task = records.task_of(task_id) if records.is_used() else None
    if task is None or not task.exec_enabled:
        return False
    return any(
        target == f"ecs:{task.cluster}_{task_id}_{one.runtime_id}"
        for one in task.containers
        if one.last_status == RUNNING
    )
