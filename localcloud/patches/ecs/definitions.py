"""Which task definitions Fargate takes.

Follows "Task size" and "Task definition parameters for Fargate" (docs.aws.amazon.com/AmazonECS/
latest/developerguide/fargate-tasks-services.html and .../task_definition_parameters.html), and
ContainerDependency of the ECS API. moto checks neither sizes nor limits, and forgets that a
definition was registered with values it does not know.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from moto.ecs.exceptions import EcsClientException
from moto.ecs.models import EC2ContainerServiceBackend

Tree = dict[str, Any]

GIB = 1024
# CPU units: the memory that goes with them, in MiB.
SIZES: dict[int, tuple[int, ...]] = {
    256: (512, GIB, 2 * GIB),
    512: tuple(range(GIB, 4 * GIB + 1, GIB)),
    1024: tuple(range(2 * GIB, 8 * GIB + 1, GIB)),
    2048: tuple(range(4 * GIB, 16 * GIB + 1, GIB)),
    4096: tuple(range(8 * GIB, 30 * GIB + 1, GIB)),
    8192: tuple(range(16 * GIB, 60 * GIB + 1, 4 * GIB)),
    16384: tuple(range(32 * GIB, 120 * GIB + 1, 8 * GIB)),
}
LONGEST_STOP = 120  # seconds, on Fargate
DEFAULT_STOP = 30
CONDITIONS = ("START", "COMPLETE", "SUCCESS", "HEALTHY")
# Refused, rather than accepted and ignored.
UNSUPPORTED = (
    *("credentialSpecs", "dnsSearchDomains", "dnsServers", "environmentFiles", "extraHosts"),
    *("firelensConfiguration", "hostname", "linuxParameters", "links", "privileged"),
    *("repositoryCredentials", "resourceRequirements", "restartPolicy", "systemControls"),
    "volumesFrom",
)


def cpu_units(given: str) -> int:
    """Return CPU units from ``1024``, ``1 vCPU`` or ``.5 vcpu``; raises ValueError."""
    number, _, unit = given.strip().lower().partition(" ")
    return int(float(number) * 1024) if unit == "vcpu" else int(given)


def memory_mib(given: str) -> int:
    """Return MiB from ``2048``, ``2GB`` or ``2 GB``; raises ValueError."""
    words = given.strip().lower().replace(" ", "")
    return int(float(words[:-2]) * GIB) if words.endswith("gb") else int(words)


def problems(request: Tree) -> Iterator[str]:
    """Yield what Fargate, or the local cloud, refuses in a task definition."""
    try:
        size = cpu_units(request.get("cpu") or ""), memory_mib(request.get("memory") or "")
    except ValueError:
        size = 0, 0
    if size[1] not in SIZES.get(size[0], ()):
        yield "No Fargate configuration exists for given values."
    if request.get("network_mode") != "awsvpc":
        yield "Fargate only supports network mode 'awsvpc'."
    platform = request.get("runtime_platform") or {}
    if platform.get("cpuArchitecture", "X86_64") != "X86_64":
        yield "the local cloud has only the CPU architecture X86_64"
    containers = request["container_definitions"]
    if not any(container.get("essential", True) for container in containers):
        yield "At least one container in the task definition must be essential."
    needing = [one for one in containers if one.get("secrets") or one.get("logConfiguration")]
    if needing and not request.get("execution_role_arn"):
        yield (
            "Fargate requires task definition to have execution role ARN to support log driver "
            "awslogs and secrets."
        )
    volumes = request.get("volumes") or []
    if any(set(volume) - {"name"} for volume in volumes):
        yield "the local cloud has only volumes that are empty at first (a name and nothing else)"
    for container in containers:
        yield from _container_problems(container, containers, size[1])


def _container_problems(container: Tree, all_of_them: list[Tree], memory: int) -> Iterator[str]:
    name = container["name"]
    if int(container.get("stopTimeout") or 0) > LONGEST_STOP:
        yield f"stopTimeout of container {name} is over {LONGEST_STOP} seconds."
    if int(container.get("memory") or 0) > memory:
        yield (
            "The 'memory' setting for container is greater than for the task. The memory value "
            f"for container {name} must be lower than the task's."
        )
    driver = (container.get("logConfiguration") or {}).get("logDriver", "awslogs")
    if driver != "awslogs":
        yield f"the local cloud has no log driver {driver}: container {name}"
    names = {other["name"] for other in all_of_them} - {name}
    for dependency in container.get("dependsOn") or []:
        if dependency["containerName"] not in names:
            yield f"Container {name} depends on unknown container {dependency['containerName']}."
        if dependency["condition"] not in CONDITIONS:
            yield f"Container {name} has an unknown condition {dependency['condition']}."
    if odd := sorted(set(UNSUPPORTED) & {key for key, value in container.items() if value}):
        yield f"the local cloud has no {', '.join(odd)}: container {name}"


def _complete_ports(containers: list[Tree]) -> None:
    """Set what PortMapping of the ECS API has by default: the container's port, and TCP."""
    for container in containers:
        for mapping in container.get("portMappings") or []:
            mapping.setdefault("hostPort", mapping["containerPort"])
            mapping.setdefault("protocol", "tcp")


@cache
def install() -> None:
    """Check definitions for Fargate before moto registers them."""
    register = EC2ContainerServiceBackend.register_task_definition

    def checked(self: Any, family: str, container_definitions: list[Tree], **more: Any) -> Any:
        if "FARGATE" in (more.get("requires_compatibilities") or []):
            given = {"container_definitions": container_definitions, **more}
            if found := next(problems(given), None):
                raise EcsClientException(found)
            _complete_ports(container_definitions)
        return register(self, family, container_definitions, **more)

    EC2ContainerServiceBackend.register_task_definition = checked
