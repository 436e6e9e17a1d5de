"""A pipeline's tasks on Fargate, which ECS replaces. Touches AWS and Ray."""

from collections.abc import Collection, Sequence
from typing import Any

from common.clients import Clients, translated
from deploy.documents.in_use import ray_of_pipeline
from deploy.documents.pipeline import Pipeline
from deploy.documents.services import services_of
from deploy.documents.tasks import described_tasks, listed_tasks

HEAD, WORKERS = "RayHeadServiceName", "RayWorkerServiceName"  # outputs with the services' names
STOPPED = "STOPPED"


class Tasks:
    """See Place."""

    def __init__(self, pipeline: Pipeline, clients: Clients) -> None:
        self._pipeline, self._clients = pipeline, clients

    def of(self, service: str) -> list[str]:
        """Return the ARNs of a service's running tasks; ``service`` is the output of its name."""
        name = self._pipeline.outputs[service]
        with translated("listing tasks"):
            return sorted(listed_tasks(self._clients, self._cluster, serviceName=name))

    def head(self) -> list[str]:
        """See Place."""
        return self.of(HEAD)

    def workers(self) -> list[str]:
        """See Place."""
        return self.of(WORKERS)

    def on_spot(self, workers: Sequence[str]) -> list[str]:
        """See Place; Fargate Spot's."""
        found = {t["taskArn"]: t.get("capacityProviderName") for t in self.described(workers)}
        return [task for task in workers if found.get(task) == "FARGATE_SPOT"]

    def have_workers(self, count: int) -> None:
        """See Place."""
        name = self._pipeline.outputs[WORKERS]
        _, workers = services_of(self._clients, self._pipeline.outputs)
        if workers.desired < count:
            with translated(f"having {name} run {count} tasks"):
                self._clients("ecs").update_service(
                    cluster=self._cluster, service=name, desiredCount=count
                )

    def look(self, lost: Collection[str], workers: int) -> tuple[bool, str]:
        """See Place."""
        found = services_of(self._clients, self._pipeline.outputs)
        words = "; ".join(one.words for one in found)
        left = [one for one in self.described(list(lost)) if one["lastStatus"] != STOPPED]
        if left or not all(one.is_steady for one in found):
            return False, words
        running = self.addresses(self.workers())
        nodes = ray_of_pipeline(self._clients, self._pipeline).nodes()
        alive = sum(node.works and node.address in running for node in nodes)
        words += f"; {alive} workers alive in Ray"
        return alive >= found[1].desired >= workers, words

    def addresses(self, tasks: Sequence[str]) -> set[str]:
        """Return the addresses of tasks; Ray knows those of lost ones for a while."""
        containers = [one for task in self.described(tasks) for one in task["containers"]]
        return {
            i["privateIpv4Address"] for one in containers for i in one.get("networkInterfaces", ())
        }

    def stop(self, tasks: Sequence[str]) -> None:
        """Stop tasks; ECS sends SIGTERM, and SIGKILL when they take too long."""
        with translated("stopping tasks"):
            for arn in tasks:
                self._clients("ecs").stop_task(cluster=self._cluster, task=arn, reason="a drill")

    def described(self, tasks: Sequence[str]) -> list[Any]:
        """Return what ECS says of tasks; it knows those that stopped for an hour."""
        with translated("looking at tasks"):
            return described_tasks(self._clients, self._cluster, tasks)

    @property
    def _cluster(self) -> str:
        return self._pipeline.outputs["ECSClusterName"]
