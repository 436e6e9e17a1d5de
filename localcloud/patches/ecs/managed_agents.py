"""ECS Exec's agent in each container of a task: how it is, and whether Session Manager reaches it.

Follows "Monitor Amazon ECS containers with ECS Exec" (docs.aws.amazon.com/AmazonECS/latest/
developerguide/ecs-exec.html): it is started with the container where ECS Exec was enabled before,
cannot start where the root file system is read-only, and connects in the name of the task role.
"""

from localcloud.patches import iam
from localcloud.patches.ecs.records import RUNNING, STOPPED, Container, Task, Tree

NAME = "ExecuteCommandAgent"
CHANNELS = (
    *("ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel"),
    *("ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"),
)


def status(task: Task, container: Container) -> str:
    """Return an agent's last status; empty where there is none."""
    if not task.exec_enabled:
        return ""
    return STOPPED if container.definition.get("readonlyRootFilesystem") else container.last_status


def shown(task: Task, container: Container) -> list[Tree]:
    """Return a container's agents as the API describes them."""
    last = status(task, container)
    started = {"lastStartedAt": container.started} if last and container.started else {}
    return [{"name": NAME, "lastStatus": last, **started}] if last else []


def is_connected(task: Task, container: Container) -> bool:
    """Say whether Session Manager reaches an agent."""
    if status(task, container) != RUNNING or not task.role:
        return False
    return iam.role_may(task.role, CHANNELS, "*")
