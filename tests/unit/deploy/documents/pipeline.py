"""The document pipeline's stack in this process, and an operator's actions on it."""

from typing import Any

from common.clients import Clients
from common.environment import Environment
from deploy.documents.desired_stack import desired_stack
from deploy.foundation.stack import Stack
from deploy.foundation.stack_changes import apply_stack, plan_stack
from deploy.foundation.stack_plan import StackPlan
from localcloud.patches.ecs import records, runtime
from tests.unit.deploy.builders import an_environment
from tests.unit.localcloud.fakes import FakeClock

STACK = "ray-documents-dev"
IMAGE = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{STACK}@sha256:" + "0" * 64
OPERATOR = {"operator_cidrs": ["10.77.0.1/32"], "endpoints": False}


def with_documents(**documents: Any) -> Environment:
    """Return the environment ``dev`` with these ``[documents]``."""
    return an_environment(documents=documents, network=OPERATOR)


def on_cluster(**documents: Any) -> Environment:
    """Return the environment ``dev`` whose group ``documents`` runs the pipeline."""
    image = {"base_name": "debian-12-*", "base_owner": "136693071363", "documents": True}
    kind = {"instance_types": ["m6i.large"], "min": 1, "max": 3}
    return an_environment(
        documents={"runs_on": "ec2", **documents},
        image=image,
        workers={"documents": kind},
        network=OPERATOR | {"nat": True},
    )


class Pipeline:
    """One environment's stack; its tasks run as soon as they are launched."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.clients = clock, Clients("us-east-1")
        self.said: list[str] = []
        clock.listeners.append(run_tasks)

    def plan(self, environment: Environment, **given: Any) -> StackPlan:
        desired = desired_stack(environment, **given)
        return plan_stack(self.clients, desired, clock=self.clock)

    def apply(self, environment: Environment | None = None, **given: Any) -> Stack:
        desired = desired_stack(environment or with_documents(), **given)
        return apply_stack(self.clients, desired, clock=self.clock, progress=self.said.append)

    def found(self, service: str, call: str, /, **request: Any) -> Any:
        """Ask a service something."""
        return getattr(self.clients(service), call)(**request)

    def id_of(self, logical_id: str) -> str:
        """Return the physical id of a resource."""
        found = self.found(
            "cloudformation",
            "describe_stack_resource",
            StackName=STACK,
            LogicalResourceId=logical_id,
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def resources(self) -> dict[str, str]:
        """Return the logical id and the type of each resource that was created."""
        pages = self.clients("cloudformation").get_paginator("list_stack_resources")
        return {
            one["LogicalResourceId"]: one["ResourceType"]
            for page in pages.paginate(StackName=STACK)
            for one in page["StackResourceSummaries"]
        }


def run_tasks() -> None:
    """Play ECS's agents: what has been launched runs, what has to stop is gone."""
    for plan in runtime.plans():
        waits = records.tasks()[plan.task_id].last_status == "PENDING"
        for container in plan.containers:
            if plan.stopping:
                runtime.container_exited(plan.task_id, container.name, 143, "")
            elif waits:
                runtime.container_started(plan.task_id, container.name, "abc", "sha256:1")
                runtime.health(plan.task_id, container.name, "HEALTHY")
        if plan.stopping:
            runtime.gone(plan.task_id)
        elif waits:
            runtime.running(plan.task_id)
