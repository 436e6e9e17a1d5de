"""The pipeline's two services of ECS: how they are, and starting their tasks anew. Touches AWS."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.clients import Clients, translated
from common.errors import Unhealthy
from common.progress import Say
from common.waiting import Clock, Seen, wait_for

HEAD = "RayHeadServiceName"  # the output with its name
WORKER = "RayWorkerServiceName"
SERVICES = (HEAD, WORKER)
CLUSTER = "ECSClusterName"
STEADY_SECONDS = 1200.0


@dataclass(frozen=True)
class Service:
    """A service as ECS describes it; ``failure`` is why its last deployment failed."""

    name: str
    desired: int
    running: int
    pending: int
    deployments: int
    failure: str
    last_event: str

    @property
    def is_steady(self) -> bool:
        """Its tasks are those that it should have, and no deployment is under way."""
        return self.deployments == 1 and self.running == self.desired and not self.pending

    @property
    def words(self) -> str:
        """Return its state in short."""
        rolls = ", a deployment is under way" if self.deployments > 1 else ""
        return f"{self.name}: {self.running} of {self.desired} tasks run{rolls}"


def services_of(clients: Clients, outputs: Mapping[str, str]) -> tuple[Service, ...]:
    """Return the services; none before the stack has an image."""
    names = [outputs[name] for name in SERVICES if outputs.get(name)]
    if not names:
        return ()
    with translated("reading the services"):
        found = clients("ecs").describe_services(cluster=outputs[CLUSTER], services=names)
    by_name = {one["serviceName"]: one for one in found["services"] if one["status"] == "ACTIVE"}
    return tuple(_service(by_name[name]) for name in names if name in by_name)


def start_anew(clients: Clients, outputs: Mapping[str, str]) -> None:
    """Have both services replace their tasks, whether or not anything has changed."""
    for service in services_of(clients, outputs):
        with translated(f"replacing the tasks of {service.name}"):
            clients("ecs").update_service(
                cluster=outputs[CLUSTER], service=service.name, forceNewDeployment=True
            )


def start_tasks(clients: Clients, outputs: Mapping[str, str], least: tuple[int, int]) -> None:
    """Have head and workers run as many tasks as there must be; what runs beyond that stays.

    The template sets no number of workers, and scaling adds the first ones only at its next look.
    """
    for service, count in zip(services_of(clients, outputs), least, strict=False):
        if service.desired < count:
            _set_count(clients, outputs, service, count)


def stop_tasks(clients: Clients, outputs: Mapping[str, str]) -> None:
    """Have both services run nothing; scaling starts none while the pipeline is paused."""
    for service in services_of(clients, outputs):
        if service.desired:
            _set_count(clients, outputs, service, 0)


def await_steady(
    clients: Clients,
    outputs: Mapping[str, str],
    *,
    least: tuple[int, int],
    clock: Clock,
    progress: Say,
) -> None:
    """Wait until both services are steady, with so many tasks of head and workers at least.

    Raises Unhealthy when a deployment has failed.
    """

    def look() -> Seen[bool]:
        found = services_of(clients, outputs)
        for service in found:
            if service.failure:
                raise Unhealthy(f"{service.name}: {service.failure}")
        words = "; ".join(service.words for service in found)
        done = all(
            service.is_steady and service.desired >= count
            for service, count in zip(found, least, strict=False)
        )
        return Seen(done or None, words)

    wait_for("steady services", look, clock=clock, seconds=STEADY_SECONDS, progress=progress)


def await_stopped(
    clients: Clients, outputs: Mapping[str, str], *, clock: Clock, progress: Say
) -> None:
    """Wait until no task runs."""

    def look() -> Seen[bool]:
        found = services_of(clients, outputs)
        words = "; ".join(service.words for service in found)
        return Seen(not any(one.desired or one.running for one in found) or None, words)

    wait_for("no tasks", look, clock=clock, seconds=STEADY_SECONDS, progress=progress)


def _set_count(clients: Clients, outputs: Mapping[str, str], service: Service, count: int) -> None:
    with translated(f"having {service.name} run {count} tasks"):
        clients("ecs").update_service(
            cluster=outputs[CLUSTER], service=service.name, desiredCount=count
        )


def _service(found: dict[str, Any]) -> Service:
    deployments, events = found["deployments"], found.get("events", [])
    failed = [one for one in deployments if one.get("rolloutState") == "FAILED"]
    return Service(
        name=found["serviceName"],
        desired=found["desiredCount"],
        running=found["runningCount"],
        pending=found["pendingCount"],
        deployments=len(deployments),
        failure=failed[0].get("rolloutStateReason", "its deployment failed") if failed else "",
        last_event=events[0]["message"] if events else "",
    )
