"""A cluster with roles, subnets and definitions, and the runtime that a test plays itself."""

import json
from collections.abc import Iterable
from typing import Any

from localcloud.patches.ecs import records, runtime
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.fakes import FakeClock

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/ray@sha256:" + "0" * 64
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "ecs-tasks.amazonaws.com"},
    "Action": "sts:AssumeRole",
}


class Ecs:
    """The ECS API with what every test needs; containers start and exit as the test says."""

    def __init__(self, aws: Clients, clock: FakeClock) -> None:
        self.aws, self.clock, self.api = aws, clock, aws("ecs")
        self.api.create_cluster(clusterName="c", capacityProviders=["FARGATE", "FARGATE_SPOT"])
        subnets = aws("ec2").describe_subnets()["Subnets"]
        self.subnets = [subnet["SubnetId"] for subnet in subnets[:2]]
        self.network = {"awsvpcConfiguration": {"subnets": self.subnets}}
        self.execution = self.role("execution", {"Action": "logs:*", "Resource": "*"})
        aws("logs").create_log_group(logGroupName="/ecs/ray")

    def role(self, name: str, *allowed: dict[str, Any]) -> str:
        """Make a role that ECS may assume; return its ARN."""
        iam = self.aws("iam")
        trust = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        if not allowed:
            return str(made)
        statements = [{"Effect": "Allow", **one} for one in allowed]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=document)
        return str(made)

    def definition(self, family: str = "ray", **container: Any) -> str:
        """Register a task definition of one container; return its ARN."""
        options = {"awslogs-group": "/ecs/ray", "awslogs-stream-prefix": "ray"}
        one = {
            "name": "ray",
            "image": IMAGE,
            "logConfiguration": {"logDriver": "awslogs", "options": options},
            **container,
        }
        return self.register(family, [one])

    def with_exec(self, *allowed: dict[str, Any], **container: Any) -> str:
        """Register a definition whose task role is ECS Exec's, or may what is given instead."""
        role = self.role("exec", *(allowed or [{"Action": "ssmmessages:*", "Resource": "*"}]))
        one = {"name": "ray", "image": IMAGE, **container}
        return self.register("exec", [one], taskRoleArn=role)

    def register(self, family: str, containers: list[dict[str, Any]], **more: Any) -> str:
        wanted: dict[str, Any] = {
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "1024",
            "memory": "2048",
            "executionRoleArn": self.execution,
            **more,
        }
        made = self.api.register_task_definition(
            family=family, containerDefinitions=containers, **wanted
        )
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def run(self, definition: str, **more: Any) -> str:
        """Run one task; return its ARN."""
        wanted = {"launchType": "FARGATE", "networkConfiguration": self.network, **more}
        made = self.api.run_task(cluster="c", taskDefinition=definition, **wanted)
        return str(made["tasks"][0]["taskArn"])

    def task(self, arn: str) -> dict[str, Any]:
        return dict(self.api.describe_tasks(cluster="c", tasks=[arn])["tasks"][0])

    def service(self, definition: str, count: int = 1, name: str = "ray", **more: Any) -> None:
        wanted = {"launchType": "FARGATE", "networkConfiguration": self.network, **more}
        if "capacityProviderStrategy" in more:
            del wanted["launchType"]
        self.api.create_service(
            cluster="c", serviceName=name, taskDefinition=definition, desiredCount=count, **wanted
        )

    def described(self, name: str = "ray") -> dict[str, Any]:
        return dict(self.api.describe_services(cluster="c", services=[name])["services"][0])

    def messages(self, name: str = "ray") -> list[str]:
        """The service's events, oldest first."""
        return [event["message"] for event in reversed(self.described(name)["events"])]

    def listed(self, name: str = "ray", desired: str = "RUNNING") -> list[dict[str, Any]]:
        """The service's tasks, oldest first."""
        found = self.api.list_tasks(cluster="c", serviceName=name, desiredStatus=desired)
        return [self.task(arn) for arn in found["taskArns"]]

    # What localcloud/containers/ does.

    def start_all(self, *except_definitions: str) -> None:
        """Every container of a task that waits starts; those of some definitions exit with 1."""
        for plan in runtime.plans():
            task = records.tasks()[plan.task_id]
            if plan.stopping or task.last_status != "PENDING":
                continue
            for container in plan.containers:
                runtime.container_started(plan.task_id, container.name, "abc", "sha256:1")
            runtime.running(plan.task_id)
            if task.definition.arn in except_definitions:
                self.exit(plan.task_id, 1)

    def stop_all(self) -> None:
        """Every task that has to stop is gone."""
        for plan in runtime.plans():
            if plan.stopping:
                for container in plan.containers:
                    runtime.container_exited(plan.task_id, container.name, 143, "")
                runtime.gone(plan.task_id)

    def settle(self, seconds: float = 20.0, broken: Iterable[str] = ()) -> None:
        """Let time pass, in which containers start and stop."""
        for _ in range(int(seconds)):
            self.clock.advance(1)
            self.start_all(*broken)
            self.stop_all()
        self.clock.advance(1)

    def exit(self, task_id: str, code: int) -> None:
        runtime.container_exited(task_id, "ray", code, "")
