"""What ECS keeps of tasks and services, and how it names them. Reads moto's backends.

Names follow "Amazon Resource Names (ARNs) and IDs" (docs.aws.amazon.com/AmazonECS/latest/
developerguide/ecs-account-settings.html, the long format).
"""

import uuid
from dataclasses import dataclass, field
from typing import Any

from moto.ecs.models import ecs_backends

from localcloud.account import ACCOUNT, REGION

Tree = dict[str, Any]

SHOWN_SECONDS = 3600.0  # a stopped task is described for an hour
RUNNING, STOPPED = "RUNNING", "STOPPED"
# The order of a task's states: .../developerguide/task-lifecycle-explanation.html
STATES = (
    "PROVISIONING",
    "PENDING",
    "ACTIVATING",
    RUNNING,
    "DEACTIVATING",
    "STOPPING",
    "DEPROVISIONING",
    STOPPED,
)


def arn(kind: str, *names: str) -> str:
    """Return the ARN of something of ECS's."""
    return f"arn:aws:ecs:{REGION}:{ACCOUNT}:{kind}/{'/'.join(names)}"


@dataclass
class Container:
    """One container of a task."""

    definition: Tree
    last_status: str = "PENDING"
    exit_code: int | None = None
    reason: str = ""
    digest: str = ""
    health: str = "UNKNOWN"
    runtime_id: str = ""
    started: float = 0.0

    @property
    def name(self) -> str:
        return str(self.definition["name"])

    @property
    def essential(self) -> bool:
        return bool(self.definition.get("essential", True))


@dataclass
class Task:
    """One task; times are seconds since the epoch."""

    cluster: str
    definition: Any  # moto's
    group: str
    interface: Any  # moto's network interface
    launch_type: str
    provider: str  # FARGATE, FARGATE_SPOT or nothing
    created: float
    overrides: Tree = field(default_factory=dict)
    started_by: str = ""
    tags: list[Tree] = field(default_factory=list)
    exec_enabled: bool = False
    deployment: str = ""  # its id, for a service's task
    registries: list[Tree] = field(default_factory=list)
    balancers: list[Tree] = field(default_factory=list)
    task_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    last_status: str = "PROVISIONING"
    desired_status: str = RUNNING
    stop_code: str = ""
    stopped_reason: str = ""
    containers: list[Container] = field(default_factory=list)
    environment: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    times: dict[str, float] = field(default_factory=dict)
    usage: dict[str, float] = field(default_factory=dict)  # percent of its size: cpu, memory
    protected_until: float = 0.0
    proven: bool = False  # it was healthy once
    counted: bool = False  # the scheduler has seen that it stopped

    def __post_init__(self) -> None:
        self.containers = [Container(each) for each in self.definition.container_definitions]

    @property
    def arn(self) -> str:
        return arn("task", self.cluster, self.task_id)

    @property
    def address(self) -> str:
        return str(self.interface.private_ip_address)

    @property
    def is_wanted(self) -> bool:
        """Whether it runs, or will."""
        return self.desired_status == RUNNING

    @property
    def is_over(self) -> bool:
        return self.last_status == STOPPED

    @property
    def was_running(self) -> bool:
        return "startedAt" in self.times

    @property
    def health(self) -> str:
        """HEALTHY once all essential containers with a health check are; UNKNOWN without one."""
        checked = [c for c in self.containers if c.essential and c.definition.get("healthCheck")]
        found = {container.health for container in checked}
        for state in ("UNHEALTHY", "UNKNOWN"):
            if state in found or not found:
                return state if found else "UNKNOWN"
        return "HEALTHY"

    @property
    def checks_health(self) -> bool:
        return any(c.essential and c.definition.get("healthCheck") for c in self.containers)

    @property
    def role(self) -> str:
        """The ARN of the task role, or nothing."""
        role = self.overrides.get("taskRoleArn") or getattr(self.definition, "task_role_arn", "")
        return str(role or "")

    @property
    def execution_role(self) -> str:
        """The ARN of the task execution role, or nothing."""
        given = self.overrides.get("executionRoleArn")
        return str(given or getattr(self.definition, "execution_role_arn", "") or "")

    def override(self, container: str) -> Tree:
        """Return what RunTask overrides for a container."""
        each = self.overrides.get("containerOverrides") or []
        return next((one for one in each if one.get("name") == container), {})


def backend() -> Any:
    """Return moto's backend of ECS."""
    return ecs_backends[ACCOUNT][REGION]


def is_used() -> bool:
    """Say whether ECS has been called at all: making moto's backend takes a while."""
    return any(account.values() for account in list(ecs_backends.values()))


def tasks() -> dict[str, Task]:
    """Return the tasks by id; moto's reset forgets them."""
    held: dict[str, Task] = vars(backend()).setdefault("fargate_tasks", {})
    return held


def task_of(reference: str) -> Task | None:
    """Return a task by its id or ARN."""
    return tasks().get(reference.rpartition("/")[2])


def task_at(address: str) -> Task | None:
    """Return the task with this address that has not stopped."""
    found = (t for t in tasks().values() if t.address == address and not t.is_over)
    return next(found, None)


def forget_old(now: float) -> None:
    """Forget tasks that stopped an hour ago."""
    for task in list(tasks().values()):
        if task.is_over and now - task.times["stoppedAt"] > SHOWN_SECONDS:
            del tasks()[task.task_id]
