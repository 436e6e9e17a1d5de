"""RunTask, StopTask and what describes tasks, as the ECS API answers them.

Follows RunTask, StopTask, DescribeTasks, ListTasks, GetTaskProtection and UpdateTaskProtection
(docs.aws.amazon.com/AmazonECS/latest/APIReference/). moto's tasks run nothing, are placed outside
of their subnet, and move on whenever they are described.
"""

from functools import cache
from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.exceptions import EcsClientException, InvalidParameterException
from moto.ecs.responses import EC2ContainerServiceResponse

from localcloud import world
from localcloud.patches.ecs import lifecycle, managed_agents, spot
from localcloud.patches.ecs.records import (
    STOPPED,
    Container,
    Task,
    Tree,
    arn,
    task_of,
    tasks,
)
from localcloud.patches.ecs.services import check_strategy, provider_for
from localcloud.patches.paging import page

MOST_TASKS = 10  # that one RunTask starts
MOST_DESCRIBED = 100  # that one DescribeTasks describes, and one ListTasks lists
LONGEST_PROTECTION, DEFAULT_PROTECTION = 2880, 120  # minutes
UNSTOPPED = ("RUNNING", "PENDING")


def cluster_of(response: Any) -> Any:
    """Return the cluster that a request names; raises ClusterNotFoundException."""
    cluster = response.ecs_backend._get_cluster(response._get_param("cluster", "default"))
    if cluster.status != "ACTIVE":
        raise EcsClientException("The referenced cluster was inactive.")
    return cluster


def strategy_of(response: Any, cluster: Any) -> list[Tree]:
    """Return a request's capacity provider strategy; none where it gives a launch type."""
    given, launch_type = (
        response._get_param("capacityProviderStrategy"),
        response._get_param("launchType"),
    )
    if given and launch_type:
        raise InvalidParameterException(
            "Specifying both a launch type and capacity provider strategy is not supported. "
            "Remove one and try again."
        )
    if launch_type:
        if launch_type != "FARGATE":
            raise InvalidParameterException("the local cloud has only the launch type FARGATE")
        return []
    strategy = list(given or cluster.default_capacity_provider_strategy or [])
    if not strategy:
        raise InvalidParameterException(
            "the local cloud needs launchType FARGATE or a capacity provider strategy"
        )
    check_strategy(cluster, strategy)
    return strategy


def _run_task(self: Any) -> ActionResult:
    cluster = cluster_of(self)
    definition = active_definition(self)
    strategy, count = strategy_of(self, cluster), self._get_int_param("count", 1)
    if not 1 <= count <= MOST_TASKS:
        raise InvalidParameterException("count should be between 1 and 10.")
    made: list[Task] = []
    for _ in range(count):
        provider = provider_for(strategy, made) if strategy else ""
        if spot.is_short(provider):
            break
        made.append(
            lifecycle.launch(
                self._get_param("networkConfiguration") or {},
                definition,
                cluster=cluster.name,
                group=self._get_param("group") or f"family:{definition.family}",
                launch_type="FARGATE",
                provider=provider,
                overrides=self._get_param("overrides") or {},
                started_by=self._get_param("startedBy") or "",
                tags=self._get_param("tags") or [],
                exec_enabled=bool(self._get_param("enableExecuteCommand")),
            )
        )
    failure = {
        "reason": "Capacity is unavailable at this time. Please try again later or in a "
        "different availability zone"
    }
    failures = [failure] if len(made) < count else []
    return ActionResult({"tasks": [shown(task) for task in made], "failures": failures})


def active_definition(response: Any) -> Any:
    """Return the task definition that a request names; raises AWS's error."""
    found = response.ecs_backend.describe_task_definition(response._get_param("taskDefinition"))
    if found.status != "ACTIVE":
        raise EcsClientException("TaskDefinition is inactive")
    if "FARGATE" not in (found.requires_compatibilities or []):
        raise InvalidParameterException("Task definition does not support launch_type FARGATE.")
    return found


def find_task(cluster: Any, reference: str) -> Task:
    """Return a cluster's task; raises AWS's error."""
    task = task_of(reference)
    if task is None or task.cluster != cluster.name:
        raise InvalidParameterException("The referenced task was not found.")
    return task


def _stop_task(self: Any) -> ActionResult:
    task = find_task(cluster_of(self), self._get_param("task"))
    reason = self._get_param("reason") or "Task stopped by user"
    lifecycle.stop(task, "UserInitiated", reason)
    return ActionResult({"task": shown(task)})


def _describe_tasks(self: Any) -> ActionResult:
    cluster, found, failures = cluster_of(self), [], []
    with_tags = "TAGS" in self._get_param("include", [])
    asked = self._get_param("tasks", [])
    if len(asked) > MOST_DESCRIBED:
        raise InvalidParameterException(f"tasks can have at most {MOST_DESCRIBED} items.")
    for reference in asked:
        task = task_of(reference)
        if task is None or task.cluster != cluster.name:
            missing = arn("task", cluster.name, reference.rpartition("/")[2])
            failures.append({"arn": missing, "reason": "MISSING"})
        else:
            found.append(shown(task) | ({"tags": task.tags} if with_tags else {}))
    return ActionResult({"tasks": found, "failures": failures})


def _list_tasks(self: Any) -> ActionResult:
    cluster = cluster_of(self)
    service, family = self._get_param("serviceName"), self._get_param("family")
    started_by = self._get_param("startedBy")
    desired = self._get_param("desiredStatus", "RUNNING")
    found = [
        task.arn
        for task in tasks().values()
        if task.cluster == cluster.name
        and (task.desired_status == STOPPED) == (desired == STOPPED)
        and (not service or task.group == f"service:{service.rpartition('/')[2]}")
        and (not family or task.definition.family == family)
        and (not started_by or task.started_by == started_by)
    ]
    size = self._get_int_param("maxResults", MOST_DESCRIBED)
    shown, token = page(self, found, size, "nextToken")
    return ActionResult({"taskArns": shown, **_known(nextToken=token)})


def _update_task_protection(self: Any) -> ActionResult:
    minutes = self._get_int_param("expiresInMinutes", DEFAULT_PROTECTION)
    if not 1 <= minutes <= LONGEST_PROTECTION:
        raise InvalidParameterException("expiresInMinutes must be from 1 to 2880.")
    until = world.now() + minutes * 60 if self._get_param("protectionEnabled") else 0.0
    found = [find_task(cluster_of(self), reference) for reference in self._get_param("tasks")]
    for task in found:
        if not task.deployment:
            raise InvalidParameterException("Task protection is only for tasks of a service.")
        task.protected_until = until
    return ActionResult({"protectedTasks": [protection(task) for task in found], "failures": []})


def _get_task_protection(self: Any) -> ActionResult:
    found = [find_task(cluster_of(self), one) for one in self._get_param("tasks", [])]
    return ActionResult({"protectedTasks": [protection(task) for task in found], "failures": []})


def protection(task: Task) -> Tree:
    """Return whether a task is protected from scaling in, as the API does."""
    on = task.protected_until > world.now()
    until = {"expirationDate": task.protected_until} if on else {}
    return {"taskArn": task.arn, "protectionEnabled": on, **until}


def shown(task: Task) -> Tree:
    """Return a task as the API describes it."""
    definition = task.definition
    found = {
        "taskArn": task.arn,
        "clusterArn": arn("cluster", task.cluster),
        "taskDefinitionArn": definition.arn,
        "group": task.group,
        "startedBy": task.started_by,
        "lastStatus": task.last_status,
        "desiredStatus": task.desired_status,
        "cpu": str(task.overrides.get("cpu") or definition.cpu),
        "memory": str(task.overrides.get("memory") or definition.memory),
        "availabilityZone": task.interface.subnet.availability_zone,
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "launchType": task.launch_type,
        "connectivity": "CONNECTED" if task.was_running else "DISCONNECTED",
        "healthStatus": task.health,
        "enableExecuteCommand": task.exec_enabled,
        "overrides": {"containerOverrides": [], **task.overrides},
        "attachments": [_attachment(task)],
        "containers": [_container(task, container) for container in task.containers],
        "ephemeralStorage": definition.ephemeral_storage or {"sizeInGiB": 20},
        "version": len(task.times),
        **task.times,
    }
    return found | _known(
        capacityProviderName=task.provider,
        stopCode=task.stop_code,
        stoppedReason=task.stopped_reason,
    )


def _known(**values: Any) -> Tree:
    """Return what has a value yet."""
    return {name: value for name, value in values.items() if value}


def _attachment(task: Task) -> Tree:
    interface = task.interface
    details = {
        "subnetId": interface.subnet.id,
        "networkInterfaceId": interface.id,
        "macAddress": interface.mac_address,
        "privateDnsName": f"ip-{task.address.replace('.', '-')}.ec2.internal",
        "privateIPv4Address": task.address,
    }
    return {
        "id": task.task_id[:8],
        "type": "ElasticNetworkInterface",
        "status": "DELETED" if task.is_over else "ATTACHED",
        "details": [{"name": name, "value": value} for name, value in details.items()],
    }


def _container(task: Task, container: Container) -> Tree:
    found = {
        "containerArn": arn("container", task.cluster, task.task_id, container.name),
        "taskArn": task.arn,
        "name": container.name,
        "image": container.definition["image"],
        "lastStatus": container.last_status,
        "healthStatus": container.health,
        "networkInterfaces": [
            {"attachmentId": task.task_id[:8], "privateIpv4Address": task.address}
        ],
        "cpu": str(container.definition.get("cpu") or 0),
    }
    if container.exit_code is not None:
        found["exitCode"] = container.exit_code
    return found | _known(
        reason=container.reason,
        imageDigest=container.digest,
        runtimeId=container.runtime_id,
        managedAgents=managed_agents.shown(task, container),
    )


@cache
def install() -> None:
    """Put these actions in place of moto's."""
    EC2ContainerServiceResponse.run_task = _run_task
    EC2ContainerServiceResponse.stop_task = _stop_task
    EC2ContainerServiceResponse.describe_tasks = _describe_tasks
    EC2ContainerServiceResponse.list_tasks = _list_tasks
    EC2ContainerServiceResponse.update_task_protection = _update_task_protection
    EC2ContainerServiceResponse.get_task_protection = _get_task_protection
