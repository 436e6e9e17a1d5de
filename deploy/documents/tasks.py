"""The pipeline's running tasks, as Session Manager names them. Touches AWS, changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.clients import Clients, translated
from deploy.documents.services import CLUSTER

AT_ONCE = 100  # tasks that DescribeTasks takes


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
        arns = listed_tasks(clients, cluster, serviceName=name)
        found = described_tasks(clients, cluster, arns)
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


def listed_tasks(clients: Clients, cluster: str, **chosen: str) -> list[str]:
    """Return the ARNs of all tasks that ListTasks chooses, in no order; raises ClientError."""
    pages = clients("ecs").get_paginator("list_tasks").paginate(cluster=cluster, **chosen)
    return [arn for page in pages for arn in page["taskArns"]]


def described_tasks(clients: Clients, cluster: str, arns: Sequence[str]) -> list[dict[str, Any]]:
    """Return what ECS says of tasks, however many; raises ClientError.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
    """
    found = list[dict[str, Any]]()
    for begin in range(0, len(arns), AT_ONCE):
        some = list(arns[begin : begin + AT_ONCE])
        found += clients("ecs").describe_tasks(cluster=cluster, tasks=some)["tasks"]
    return found
