"""CloudFormation and ECS: a stack waits for its services, and follows them when they fail."""

import json
from typing import Any

import pytest

from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.ecs import IMAGE, Ecs
from tests.unit.localcloud.fakes import FakeClock

BREAKER = {"DeploymentCircuitBreaker": {"Enable": True, "Rollback": True}}


class Stack:
    """A stack of a task definition and its service."""

    def __init__(self, aws: Clients, clock: FakeClock) -> None:
        self.ecs, self.api = Ecs(aws, clock), aws("cloudformation")

    def template(self, *command: str, **service: Any) -> str:
        container = {"Name": "ray", "Image": IMAGE, "Command": list(command)}
        definition = {
            "Family": "ray",
            "Cpu": 256,
            "Memory": "512",
            "NetworkMode": "awsvpc",
            "RequiresCompatibilities": ["FARGATE"],
            "ExecutionRoleArn": self.ecs.execution,
            "ContainerDefinitions": [container],
        }
        wanted = {
            "ServiceName": "ray",
            "Cluster": "c",
            "LaunchType": "FARGATE",
            "DesiredCount": "1",
            "TaskDefinition": {"Ref": "Definition"},
            "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": self.ecs.subnets}},
            **service,
        }
        kinds = {"Definition": ("TaskDefinition", definition), "Service": ("Service", wanted)}
        resources = {
            name: {"Type": f"AWS::ECS::{kind}", "Properties": properties}
            for name, (kind, properties) in kinds.items()
        }
        name = {"Value": {"Fn::GetAtt": ["Service", "Name"]}}
        return json.dumps({"Resources": resources, "Outputs": {"Name": name}})

    @property
    def status(self) -> str:
        return str(self.described["StackStatus"])

    @property
    def described(self) -> dict[str, Any]:
        return dict(self.api.describe_stacks(StackName=self.arn)["Stacks"][0])

    def create(self, template: str) -> None:
        made = self.api.create_stack(StackName="ray", TemplateBody=template)
        self.arn = made["StackId"]

    def update(self, template: str) -> None:
        self.api.update_stack(StackName="ray", TemplateBody=template)


@pytest.fixture
def stack(aws: Clients, clock: FakeClock) -> Stack:
    return Stack(aws, clock)


@pytest.fixture
def made(stack: Stack) -> Stack:
    """A stack whose service is steady."""
    stack.create(stack.template("serve", DeploymentConfiguration=BREAKER))
    stack.ecs.settle()
    return stack


def test_a_stack_is_complete_once_its_service_is_steady(stack: Stack) -> None:
    stack.create(stack.template("serve"))
    stack.ecs.clock.advance(30)
    assert stack.status == "CREATE_IN_PROGRESS"  # no container has started yet

    stack.ecs.settle()

    assert stack.status == "CREATE_COMPLETE"
    assert stack.described["Outputs"][0]["OutputValue"] == "ray"
    assert len(stack.ecs.listed()) == 1


@pytest.mark.parametrize("ordered", [False, True])
def test_only_what_depends_on_a_service_waits_until_that_is_steady(
    stack: Stack, ordered: bool
) -> None:
    tree = json.loads(stack.template("serve"))
    first = tree["Resources"]["Service"]
    second = {**first, "Properties": {**first["Properties"], "ServiceName": "more"}}
    tree["Resources"]["More"] = {**second, "DependsOn": "Service"} if ordered else second
    stack.create(json.dumps(tree))
    stack.ecs.clock.advance(30)

    arns = stack.ecs.api.list_services(cluster="c")["serviceArns"]
    stack.ecs.settle()

    assert len(arns) == (1 if ordered else 2)
    assert stack.status == "CREATE_COMPLETE"
    assert len(stack.ecs.listed("more")) == 1


def test_an_update_waits_for_the_new_deployment(made: Stack) -> None:
    made.update(made.template("other", DeploymentConfiguration=BREAKER))
    made.ecs.clock.advance(30)
    assert made.status == "UPDATE_IN_PROGRESS"

    made.ecs.settle()

    assert made.status == "UPDATE_COMPLETE"
    assert [t["taskDefinitionArn"][-6:] for t in made.ecs.listed()] == ["/ray:2"]


def test_an_open_circuit_breaker_rolls_the_stack_back(made: Stack) -> None:
    made.update(made.template("broken", DeploymentConfiguration=BREAKER))
    made.ecs.clock.advance(2)
    broken = made.ecs.described()["taskDefinition"]

    made.ecs.settle(60, broken=[broken])

    assert made.status == "UPDATE_ROLLBACK_COMPLETE"
    events = made.api.describe_stack_events(StackName=made.arn)["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in events]
    assert any("ECS Deployment Circuit Breaker was triggered" in reason for reason in reasons)
    assert [t["taskDefinitionArn"][-1] for t in made.ecs.listed()] == ["1"]


def test_what_scaling_has_set_outlives_an_update(made: Stack) -> None:
    made.ecs.api.update_service(cluster="c", service="ray", desiredCount=3)
    made.ecs.settle()

    made.update(made.template("other", DeploymentConfiguration=BREAKER))
    made.ecs.settle(30)

    assert made.status == "UPDATE_COMPLETE"
    assert made.ecs.described()["desiredCount"] == 3


def test_a_deleted_stack_waits_until_the_tasks_are_gone(made: Stack) -> None:
    made.api.delete_stack(StackName="ray")
    made.ecs.clock.advance(40)
    assert made.status == "DELETE_IN_PROGRESS"

    made.ecs.stop_all()
    made.ecs.clock.advance(5)

    assert made.status == "DELETE_COMPLETE"
