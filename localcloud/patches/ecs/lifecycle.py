"""The life of one task, from its network interface to the hour in which it is still described.

Follows "Amazon ECS task lifecycle" (docs.aws.amazon.com/AmazonECS/latest/developerguide/
task-lifecycle-explanation.html) and stopCode of Task (.../APIReference/API_Task.html).
localcloud/containers/ runs the containers, and reports through ``runtime``.
"""

from collections.abc import Sequence
from typing import Any

from moto.ecs.exceptions import EcsClientException, InvalidParameterException

from localcloud import world
from localcloud.account import ec2_backend
from localcloud.patches.ecs import discovery, secrets
from localcloud.patches.ecs.records import (
    RUNNING,
    STATES,
    STOPPED,
    Task,
    Tree,
    arn,
    forget_old,
    tasks,
)
from localcloud.patches.internal import call

EXITED = "Essential container in task exited"


def launch(network: Tree, definition: Any, **known: Any) -> Task:
    """Make a task with its network interface; raises AWS's errors."""
    wanted = network.get("awsvpcConfiguration") or {}
    if not wanted.get("subnets"):
        raise InvalidParameterException(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        )
    subnet = _emptiest(wanted["subnets"])
    given = {"Groups": wanted["securityGroups"]} if wanted.get("securityGroups") else {}
    made = call("ec2", "create_network_interface", SubnetId=subnet, **given)
    interface = ec2_backend().enis[made["NetworkInterface"]["NetworkInterfaceId"]]
    interface.status, interface.requester_managed = "in-use", True
    task = Task(definition=definition, interface=interface, created=world.now(), **known)
    interface.description = arn("attachment", task.task_id)
    task.times["createdAt"] = task.created
    if problem := secrets.check_roles((task.execution_role, task.role)):
        _release(task)
        raise EcsClientException(problem)
    tasks()[task.task_id] = task
    return task


def _emptiest(subnets: Sequence[str]) -> str:
    """Return the subnet with the fewest tasks: tasks are spread over zones."""
    used = [task.interface.subnet.id for task in tasks().values() if not task.is_over]
    return min(subnets, key=lambda subnet: (used.count(subnet), subnets.index(subnet)))


def stop(task: Task, code: str, reason: str) -> None:
    """Ask a task to stop; a task that is stopping already keeps its first reason."""
    if not task.is_wanted:
        return
    task.desired_status, task.stop_code, task.stopped_reason = STOPPED, code, reason
    task.times["stoppingAt"] = world.now()
    discovery.deregister(task)
    if task.last_status == "PROVISIONING":
        end(task)
    else:
        advance(task, "STOPPING")


def advance(task: Task, state: str) -> None:
    """Move a task on to a later state; it never goes back."""
    if STATES.index(state) > STATES.index(task.last_status):
        task.last_status = state


def running(task: Task) -> None:
    """All containers have started."""
    task.times["startedAt"] = world.now()
    advance(task, RUNNING)
    discovery.register(task)


def end(task: Task) -> None:
    """Everything of the task is gone from its host."""
    if task.is_over:
        return
    now = world.now()
    task.times.setdefault("stoppingAt", now)
    task.times["executionStoppedAt"] = task.times["stoppedAt"] = now
    task.desired_status = STOPPED
    advance(task, STOPPED)
    task.environment.clear()
    for container in task.containers:
        container.last_status = STOPPED
    _release(task)


def _release(task: Task) -> None:
    task.interface.status = "available"
    ec2_backend().delete_network_interface(task.interface.id)


def reconcile(now: float) -> None:
    """Prepare tasks that are new; forget those that are old."""
    for task in list(tasks().values()):
        if task.last_status == "PROVISIONING":
            _prepare(task)
    forget_old(now)


def _prepare(task: Task) -> None:
    try:
        secrets.open_logs(task)
        task.environment = secrets.environment_of(task)
    except secrets.NotReady as error:
        stop(task, "TaskFailedToStart", str(error))
        return
    task.times["pullStartedAt"] = world.now()
    advance(task, "PENDING")
