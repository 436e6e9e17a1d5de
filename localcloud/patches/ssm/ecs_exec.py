"""ECS Exec: a command on a terminal in a container, through Session Manager.

Follows ExecuteCommand of the ECS API (docs.aws.amazon.com/AmazonECS/latest/APIReference/
API_ExecuteCommand.html) and "Monitor Amazon ECS containers with ECS Exec" (.../developerguide/
ecs-exec.html). AWS's words as users report them, for example github.com/keidarcy/e1s/issues/206
and github.com/aws/amazon-ssm-agent/issues/536. The agent splits the command into words as a shell
would, and starts no shell for it (github.com/aws/amazon-ssm-agent,
agent/session/shell/shell_unix.go).
"""

import shlex
from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.exceptions import ECSException, InvalidParameterException

from localcloud.patches.ecs import managed_agents
from localcloud.patches.ecs.api import cluster_of, find_task
from localcloud.patches.ecs.records import RUNNING, Container, Task, arn
from localcloud.patches.ssm.session_api import caller
from localcloud.patches.ssm.sessions import start
from localcloud.patches.ssm.targets import target_of

DOCUMENT = "AmazonECS-ExecuteInteractiveCommand"
SESSION = "ecs-execute-command"  # what the ids of such sessions begin with
NO_AGENT = (
    "The execute command failed because execute command was not enabled when the task was run or "
    "the execute command agent isn't running. Wait and try again or run a new task with execute "
    "command enabled and try again."
)


def execute_command(self: Any) -> ActionResult:
    """Answer ExecuteCommand."""
    cluster = cluster_of(self)
    if not self._get_bool_param("interactive", False):
        raise InvalidParameterException("Interactive is the only mode supported currently.")
    command = _words(self._get_param("command") or "")
    task = find_task(cluster, self._get_param("task"))
    container = _container(task, self._get_param("container"))
    if managed_agents.status(task, container) != RUNNING:
        raise InvalidParameterException(NO_AGENT)
    if not managed_agents.is_connected(task, container):
        raise ECSException(
            "TargetNotConnectedException",
            "The execute command failed due to an internal error. Try again later.",
        )
    made = start(SESSION, target_of(task, container), DOCUMENT, caller(self), command=command)
    return ActionResult(
        {
            "clusterArn": arn("cluster", task.cluster),
            "taskArn": task.arn,
            "containerArn": arn("container", task.cluster, task.task_id, container.name),
            "containerName": container.name,
            "interactive": True,
            "session": {"sessionId": made.id, "streamUrl": made.url, "tokenValue": made.token},
        }
    )


def _words(command: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise InvalidParameterException(f"the command cannot be parsed: {error}") from error
    if not words:
        raise InvalidParameterException("command must not be empty.")
    return words


def _container(task: Task, name: str | None) -> Container:
    """Return the container of that name; without one, the only one. Raises AWS's error."""
    found = [one for one in task.containers if name in (None, "", one.name)]
    if len(found) != 1:
        names = ", ".join(one.name for one in task.containers)
        raise InvalidParameterException(f"container must be one of the task's: {names}.")
    return found[0]
