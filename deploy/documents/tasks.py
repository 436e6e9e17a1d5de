"""The pipeline's running tasks, as Session Manager names them. Touches AWS, changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from common.clients import Clients, translated
from deploy.documents.services import CLUSTER


@dataclass(frozen=True)
class RunningTask:
    """A task whose container runs; ``takes_shells`` says whether it was started with ECS Exec."""

    cluster: str
    task_id: str
    container: str
    runtime_id: str
    takes_shells: bool

    @property
    def target(self) -> str:
        """What a session with its container is started with.

        As ``aws ecs execute-command`` does: github.com/aws/aws-cli,
        awscli/customizations/ecs/executecommand.py.
        """
        return f"ecs:{self.cluster}_{self.task_id}_{self.runtime_id}"


def running_tasks(
    clients: Clients, outputs: Mapping[str, str], service: str
) -> tuple[RunningTask, ...]:
    """Return the running tasks of the service that an output names; none before it is there."""
    cluster, name = outputs[CLUSTER], outputs.get(service)
    if not name:
        return ()
    with translated(f"looking for the tasks of {name}"):
        ecs = clients("ecs")
        arns = ecs.list_tasks(cluster=cluster, serviceName=name)["taskArns"]
        found = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
    return tuple(
        RunningTask(
            cluster=cluster,
            task_id=task["taskArn"].rpartition("/")[2],
            container=container["name"],
            runtime_id=container["runtimeId"],
            takes_shells=task.get("enableExecuteCommand", False),
        )
        for task in found
        for container in task["containers"]
        if container["lastStatus"] == "RUNNING"
    )
