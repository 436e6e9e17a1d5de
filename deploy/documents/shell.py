"""A shell in a task of the pipeline, by ECS Exec. Touches AWS.

ECS starts the session, and AWS's session-manager-plugin is its terminal, called as
``aws ecs execute-command`` calls it (github.com/aws/aws-cli,
awscli/customizations/ecs/executecommand.py).
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.errors import PipelineError, Refused
from deploy.documents.pipeline import Pipeline
from deploy.documents.services import HEAD, WORKER
from deploy.documents.tasks import RunningTask, running_tasks
from deploy.reach.plugin import NotReached, PluginCall, plugin_call

SHELL = "/bin/bash"  # not a login shell, whose PATH would be another than the container's
# What ECS answers where the agent in the container is not there, or does not reach AWS.
NO_AGENT = ("InvalidParameterException", "TargetNotConnectedException")
HINT = (
    "try again in a minute if the task has just started; its agent needs ssmmessages in the task's "
    "role and a way to Session Manager (docs/runbooks/documents.md)"
)


@dataclass(frozen=True)
class ShellRequest:
    """In which task a shell is wanted, and what runs in it instead; without a task, the head's."""

    worker: bool = False
    task_id: str = ""
    command: tuple[str, ...] = (SHELL,)

    @classmethod
    def from_arguments(
        cls, arguments: Sequence[str], worker: bool, task: str, *, on_terminal: bool
    ) -> "ShellRequest":
        """Return the request of a command line, whose command follows ``--``; raises Refused."""
        words = list(arguments)
        command = tuple(words[words.index("--") + 1 :]) if "--" in words else ()
        if worker and task:
            raise Refused("--worker and --task are both given", hint="give one of them")
        if not on_terminal:
            # The plugin ends with its input: github.com/aws/amazon-ssm-agent/issues/354.
            raise Refused(
                "a shell needs a terminal, and the standard input is none",
                hint="run it on a terminal; in a script, script(1) gives it one",
            )
        return cls(worker, task.rpartition("/")[2], command or (SHELL,))


def task_for(clients: Clients, pipeline: Pipeline, request: ShellRequest) -> RunningTask:
    """Return the running task that a shell is wanted in.

    Raises Refused where there is none of that id, and where it takes no shells; PipelineError
    where none runs.
    """
    name = pipeline.environment.name
    if pipeline.on_cluster:
        raise Refused(
            f"the documents of {name} run on its cluster, not in tasks",
            hint=f"invoke head.shell --env {name} opens a shell on the leader; "
            "`aws ssm start-session --target INSTANCE` on an instance of the group",
        )
    services = {"head": HEAD, "worker": WORKER}
    found = {
        kind: running_tasks(clients, pipeline.outputs, output) for kind, output in services.items()
    }
    task = _chosen(found, request, name)
    if not task.takes_shells:
        raise Refused(
            f"task {task.task_id} was started without ECS Exec, and takes no shell",
            hint=f"invoke documents.deploy --force --env {name} replaces the tasks",
        )
    return task


def _chosen(
    found: dict[str, tuple[RunningTask, ...]], request: ShellRequest, name: str
) -> RunningTask:
    if request.task_id:
        for task in (*found["head"], *found["worker"]):
            if task.task_id == request.task_id:
                return task
        running = [f"{kind} {task.task_id}" for kind in found for task in found[kind]]
        raise Refused(
            f"{request.task_id} is not a running task of the documents of {name}",
            hint=f"running: {', '.join(running) or 'none'}",
        )
    kind = "worker" if request.worker else "head"
    if not found[kind]:
        raise PipelineError(
            f"no {kind} task of the documents of {name} runs",
            hint=f"invoke documents.status --env {name}",
        )
    return found[kind][0]


def open_shell(
    clients: Clients, plugin: str, task: RunningTask, command: Sequence[str]
) -> PluginCall:
    """Start a session that runs a command in a task; return how the plugin is called for it.

    Raises NotReached when the task's agent is not there, Unanswered when AWS refuses.
    """
    with translated(f"opening a shell in task {task.task_id}"):
        try:
            started = clients("ecs").execute_command(
                cluster=task.cluster,
                task=task.task_id,
                container=task.container,
                command=shlex.join(command),
                interactive=True,
            )["session"]
        except ClientError as error:
            if error_code(error) not in NO_AGENT:
                raise
            said = error.response["Error"]["Message"]
            raise NotReached(f"no shell in task {task.task_id}: {said}", hint=HINT) from error
    session = {
        "SessionId": started["sessionId"],
        "TokenValue": started["tokenValue"],
        "StreamUrl": started["streamUrl"],
    }
    return plugin_call(clients, plugin, {"Target": task.target}, session)
