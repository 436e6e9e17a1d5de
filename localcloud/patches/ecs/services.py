"""A service and its deployments: what is kept of them, and what a request may set.

Follows Service, Deployment and DeploymentConfiguration of the ECS API (docs.aws.amazon.com/
AmazonECS/latest/APIReference/).
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from moto.ecs.exceptions import InvalidParameterException, ServiceNotFoundException

from localcloud import world
from localcloud.patches.ecs import secrets
from localcloud.patches.ecs.records import RUNNING, Task, Tree, arn, backend, tasks

FARGATE = ("FARGATE", "FARGATE_SPOT")
EVENTS = 100  # as many as DescribeServices returns
FEWEST_FAILURES, MOST_FAILURES = 3, 200


@dataclass
class Deployment:
    """One deployment of a service; the newest is the primary one."""

    definition: Any
    network: Tree
    strategy: list[Tree]
    launch_type: str
    platform: str
    created: float
    deployment_id: str = field(default_factory=lambda: f"ecs-svc/{uuid.uuid4().int % 10**19:019d}")
    status: str = "PRIMARY"
    rollout: str = "IN_PROGRESS"
    reason: str = ""
    failed: int = 0  # tasks in a row
    stalled: int = 0  # tasks in a row that did not start
    next_start: float = 0.0
    updated: float = 0.0

    @property
    def tasks(self) -> list[Task]:
        """Its tasks that have not stopped."""
        every = tasks().values()
        return [t for t in every if t.deployment == self.deployment_id and not t.is_over]


@dataclass
class Service:
    """One service; moto finds its tags in ``backend.services``."""

    cluster: str
    name: str
    desired: int
    created: float
    settings: Tree  # deploymentConfiguration and what else a request sets, in the API's names
    deployments: list[Deployment]
    tags: list[Tree] = field(default_factory=list)
    status: str = "ACTIVE"
    events: list[Tree] = field(default_factory=list)
    steady: bool = False
    completed: Deployment | None = None  # the last one that was
    asked: str = ""  # the task definition of the last request
    stopped_at: float = 0.0

    @property
    def arn(self) -> str:
        return arn("service", self.cluster, self.name)

    @property
    def physical_resource_id(self) -> str:
        return self.arn  # as moto calls it

    @property
    def primary(self) -> Deployment:
        return self.deployments[0]

    @property
    def has_failed(self) -> bool:
        """Whether the circuit breaker has given up on what was asked for last."""
        failed = {d.definition.arn for d in self.deployments if d.rollout == "FAILED"}
        return self.asked in failed

    @property
    def tasks(self) -> list[Task]:
        """Its tasks that have not stopped, those of the newest deployment first."""
        return [task for deployment in self.deployments for task in deployment.tasks]

    @property
    def bounds(self) -> tuple[int, int]:
        """How many tasks must run, and how many there may be, during a deployment."""
        given = self.settings["deploymentConfiguration"]
        low, high = given["minimumHealthyPercent"], given["maximumPercent"]
        return -(-self.desired * low // 100), self.desired * high // 100

    @property
    def threshold(self) -> int:
        """How many failed tasks the circuit breaker takes.

        .../developerguide/deployment-circuit-breaker.html: half of the desired count, rounded up,
        at least 3 and at most 200.
        """
        return min(MOST_FAILURES, max(FEWEST_FAILURES, -(-self.desired // 2)))

    @property
    def breaker(self) -> Tree:
        found: Tree = self.settings["deploymentConfiguration"].get("deploymentCircuitBreaker") or {}
        return found

    def note(self, message: str) -> None:
        """Add an event, newest first."""
        event = {
            "id": str(uuid.uuid4()),
            "createdAt": world.now(),
            "message": f"(service {self.name}) {message}",
        }
        self.events = [event, *self.events][:EVENTS]


def settled(request: Tree, before: Tree) -> Tree:
    """Return a service's settings after a request; raises AWS's error for wrong ones."""
    given = {key: request[key] for key in SETTINGS if request.get(key) is not None}
    merged = {**DEFAULTS, **before, **given}
    configuration = {
        **DEFAULTS["deploymentConfiguration"],
        **(before.get("deploymentConfiguration") or {}),
        **(given.get("deploymentConfiguration") or {}),
    }
    _check_configuration(configuration)
    return {**merged, "deploymentConfiguration": configuration}


SETTINGS = (
    "deploymentConfiguration",
    "enableECSManagedTags",
    "enableExecuteCommand",
    "healthCheckGracePeriodSeconds",
    "loadBalancers",
    "propagateTags",
    "serviceRegistries",
)
DEFAULTS: Tree = {
    "deploymentConfiguration": {"minimumHealthyPercent": 100, "maximumPercent": 200},
    "enableExecuteCommand": False,
    "loadBalancers": [],
    "propagateTags": "NONE",
    "serviceRegistries": [],
}


def _check_configuration(configuration: Tree) -> None:
    low, high = configuration["minimumHealthyPercent"], configuration["maximumPercent"]
    if not 0 <= low <= 100 or high < 100 or high <= low:
        raise InvalidParameterException(
            "maximumPercent must be at least 100 and greater than minimumHealthyPercent, which "
            "must be from 0 to 100."
        )
    if odd := sorted(
        set(configuration)
        - {"deploymentCircuitBreaker", "maximumPercent", "minimumHealthyPercent"}
        - {key for key in configuration if configuration[key] in (None, {}, "ROLLING")}
    ):
        raise InvalidParameterException(f"the local cloud has no deployment setting {odd}")


def check_strategy(cluster: Any, strategy: Sequence[Tree]) -> None:
    """Raise AWS's error unless the cluster has these capacity providers, and the weights are right.

    CapacityProviderStrategyItem of the ECS API.
    """
    known = set(cluster.capacity_providers or [])
    for item in strategy:
        name = item["capacityProvider"]
        if name not in FARGATE:
            raise InvalidParameterException(f"the local cloud has no capacity provider {name}")
        if name not in known:
            raise InvalidParameterException(
                "The specified capacity provider strategy cannot contain a capacity provider that "
                "is not associated with the cluster. Associate the capacity provider with the "
                "cluster and try again."
            )
    if sum(bool(item.get("base")) for item in strategy) > 1:
        raise InvalidParameterException(
            "Only one capacity provider in a capacity provider strategy can have a base defined."
        )
    if strategy and not any(int(item.get("weight") or 0) for item in strategy):
        raise InvalidParameterException(
            "At least one capacity provider must have a weight greater than zero."
        )


def provider_for(strategy: Sequence[Tree], running: Sequence[Task]) -> str:
    """Return where a strategy puts the next task: bases first, then by weight."""
    counts = {item["capacityProvider"]: 0 for item in strategy}
    for task in running:
        if task.provider in counts:
            counts[task.provider] += 1
    for item in strategy:
        if counts[item["capacityProvider"]] < int(item.get("base") or 0):
            return str(item["capacityProvider"])

    def load(item: Tree) -> float:
        placed = counts[item["capacityProvider"]] - int(item.get("base") or 0)
        return (placed + 1) / int(item["weight"])

    return str(min((i for i in strategy if i.get("weight")), key=load)["capacityProvider"])


def services() -> dict[str, Service]:
    """Return the services, by cluster and name."""
    held: dict[str, Service] = backend().services
    return held


def find_service(cluster: str, reference: str) -> Service:
    """Return a service by its name or ARN; raises AWS's error without it."""
    found = services().get(key_of(cluster, reference))
    if found is None:
        raise ServiceNotFoundException
    return found


def key_of(cluster: str, reference: str) -> str:
    """Return under which key a service is kept."""
    return f"{cluster.rpartition('/')[2]}:{reference.rpartition('/')[2]}"


def role_problem(definition: Any) -> str:
    """Return why ECS cannot use a definition's roles, or nothing."""
    roles = (
        getattr(definition, "execution_role_arn", "") or "",
        getattr(definition, "task_role_arn", "") or "",
    )
    return secrets.check_roles(roles)


def is_running(task: Task) -> bool:
    """Say whether a task counts as running: also while it stops."""
    return task.last_status in (RUNNING, "DEACTIVATING", "STOPPING") and task.was_running
