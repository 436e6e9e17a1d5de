"""What runs containers reads here which tasks there are, and reports what became of them.

Each function is called with the world's lock held.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localcloud import world
from localcloud.account import ACCOUNT, REGION
from localcloud.patches.ecs import lifecycle
from localcloud.patches.ecs.definitions import DEFAULT_STOP, cpu_units, memory_mib
from localcloud.patches.ecs.records import STOPPED, Container, Task, Tree, task_of, tasks
from localcloud.patches.ecs.secrets import stream_of

# A task is there for its runtime in these states.
HELD = ("PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING")


@dataclass(frozen=True)
class ContainerPlan:
    """One container to run; without a command, the image's own."""

    name: str
    image: str
    essential: bool
    environment: Mapping[str, str] = field(repr=False)
    entry_point: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    user: str = ""
    folder: str = ""
    memory_mib: int = 0  # 0: the task's
    stop_seconds: float = DEFAULT_STOP
    read_only: bool = False
    health: Tree | None = None
    log: tuple[str, str] | None = None  # group and stream
    depends_on: tuple[tuple[str, str], ...] = ()  # container and condition
    mounts: tuple[tuple[str, str, bool], ...] = ()  # volume, path, whether read-only
    open_files: tuple[int, int] | None = None  # soft and hard limit


@dataclass(frozen=True)
class TaskPlan:
    """One task to run, or to stop."""

    task_id: str
    address: str
    mac: str
    cpus: float
    memory_mib: int
    containers: tuple[ContainerPlan, ...]
    execution_role: str
    stopping: bool


def plans() -> tuple[TaskPlan, ...]:
    """Return every task that has to be on its host."""
    return tuple(_plan(task) for task in tasks().values() if task.last_status in HELD)


def container_started(task_id: str, name: str, runtime_id: str, digest: str) -> None:
    """A container's process runs."""
    if found := _container(task_id, name):
        found.last_status, found.runtime_id, found.digest = "RUNNING", runtime_id, digest
        found.started = world.now()


def running(task_id: str) -> None:
    """All containers of a task have started."""
    task = task_of(task_id)
    if task and task.is_wanted:
        task.times["pullStoppedAt"] = world.now()
        lifecycle.running(task)


def container_exited(task_id: str, name: str, code: int, reason: str) -> None:
    """A container's process has exited; with an essential one the task stops."""
    found, task = _container(task_id, name), task_of(task_id)
    if found is None or task is None:
        return
    found.last_status, found.exit_code, found.reason = STOPPED, code, reason
    if found.essential or all(each.last_status == STOPPED for each in task.containers):
        lifecycle.stop(task, "EssentialContainerExited", lifecycle.EXITED)


def health(task_id: str, name: str, state: str) -> None:
    """A container's health check has come to a result."""
    if found := _container(task_id, name):
        found.health = state


def usage(task_id: str, cpu: float, memory: float) -> None:
    """What a running task uses, in percent of its size."""
    if task := task_of(task_id):
        task.usage = {"cpu": cpu, "memory": memory}


def failed(task_id: str, reason: str) -> None:
    """A task could not be started."""
    if task := task_of(task_id):
        lifecycle.stop(task, "TaskFailedToStart", reason)


def gone(task_id: str) -> None:
    """Nothing of a task is left on its host."""
    if task := task_of(task_id):
        lifecycle.end(task)


def _container(task_id: str, name: str) -> Container | None:
    task = task_of(task_id)
    return next((c for c in task.containers if c.name == name), None) if task else None


def _plan(task: Task) -> TaskPlan:
    size = task.overrides
    return TaskPlan(
        task_id=task.task_id,
        address=task.address,
        mac=task.interface.mac_address,
        cpus=cpu_units(str(size.get("cpu") or task.definition.cpu)) / 1024,
        memory_mib=memory_mib(str(size.get("memory") or task.definition.memory)),
        containers=tuple(_container_plan(task, container) for container in task.containers),
        execution_role=task.execution_role,
        stopping=not task.is_wanted,
    )


def _container_plan(task: Task, container: Container) -> ContainerPlan:
    given, over = container.definition, task.override(container.name)
    options = (given.get("logConfiguration") or {}).get("options")
    limits = {one["name"]: one for one in given.get("ulimits") or []}
    files = limits.get("nofile")
    return ContainerPlan(
        name=container.name,
        image=str(given["image"]),
        essential=container.essential,
        environment=_environment(task, container, over),
        entry_point=_words(given.get("entryPoint")),
        command=_words(over.get("command") or given.get("command")),
        user=str(given.get("user") or ""),
        folder=str(given.get("workingDirectory") or ""),
        memory_mib=int(given.get("memory") or 0),
        stop_seconds=float(given.get("stopTimeout") or DEFAULT_STOP),
        read_only=bool(given.get("readonlyRootFilesystem")),
        health=given.get("healthCheck"),
        log=_log(task, container.name, options) if options else None,
        depends_on=tuple(
            (one["containerName"], one["condition"]) for one in given.get("dependsOn") or []
        ),
        mounts=tuple(
            (one["sourceVolume"], one["containerPath"], bool(one.get("readOnly")))
            for one in given.get("mountPoints") or []
        ),
        open_files=(int(files["softLimit"]), int(files["hardLimit"])) if files else None,
    )


def _log(task: Task, container: str, options: dict[str, str]) -> tuple[str, str]:
    return options["awslogs-group"], stream_of(task, container, options)


def _words(given: Any) -> tuple[str, ...] | None:
    return tuple(map(str, given)) if given else None


def _environment(task: Task, container: Container, over: Tree) -> dict[str, str]:
    """Return a container's variables; ECS's own come last.

    docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html and
    .../task-iam-roles.html
    """
    pairs = [*(container.definition.get("environment") or []), *(over.get("environment") or [])]
    endpoint = f"http://169.254.170.2/v4/{task.task_id}-{container.name}"
    role = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": f"/v2/credentials/{task.task_id}"}
    return {
        **{pair["name"]: str(pair["value"]) for pair in pairs},
        **task.environment.get(container.name, {}),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
        "ECS_CONTAINER_METADATA_URI_V4": endpoint,
        "ECS_AGENT_URI": f"http://169.254.170.2/api/{task.task_id}-{container.name}",
        **(role if task.role else {}),
    }


def registry_of(image: str) -> str:
    """Return the ARN of the repository of ours that an image is in, or nothing."""
    host, _, rest = image.partition("/")
    if host != f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com":
        return ""
    name = rest.partition("@")[0]
    head, _, last = name.rpartition("/")
    name = f"{head}/{last.partition(':')[0]}".lstrip("/")
    return f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}"
