"""The road to a pipeline from a machine outside of its VPC."""

import socket
from pathlib import Path
from typing import Any

import pytest

from deploy.documents.in_use import api_of_pipeline
from deploy.documents.pipeline import Outputs, find_pipeline
from deploy.documents.pipeline import Pipeline as Deployed
from deploy.documents.road import road_to_pipeline
from deploy.reach.plugin import NotReached
from localcloud.patches.ecs import records
from tests.unit.deploy.builders import an_environment
from tests.unit.deploy.documents.pipeline import STACK, Pipeline, with_documents
from tests.unit.deploy.reach.plugins import install_plugin


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH, on a machine outside of every VPC."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def reached(address: tuple[str, int]) -> str:
    """Return what the plugin for tests sends: the target of its session."""
    with socket.create_connection(address, 5) as connection:
        return connection.recv(200).decode()


def test_a_pipeline_on_fargate_is_reached_through_its_heads_task(
    made: Pipeline, tools: Path
) -> None:
    install_plugin(tools)
    pipeline = find_pipeline(made.clients, with_documents())
    road = road_to_pipeline(made.clients, pipeline)

    found = reached(road.address(8000))

    (head,) = (t for t in records.tasks().values() if t.group == f"service:{STACK}-ray-head")
    assert found == f"ecs:{STACK}_{head.task_id}_abc"
    assert road.words == "through Session Manager"
    assert road_to_pipeline(made.clients, pipeline) is road
    road.close()


class Balancer:
    """A load balancer, and the health of its targets."""

    def __init__(self, **health: str) -> None:
        self._health = health

    def __call__(self, service: str) -> "Balancer":
        assert service == "elbv2"
        return self

    def describe_target_health(self, **asked: str) -> dict[str, Any]:
        assert asked == {"TargetGroupArn": "the-group"}
        return {
            "TargetHealthDescriptions": [
                {"Target": {"Id": one}, "TargetHealth": {"State": state}}
                for one, state in self._health.items()
            ]
        }


def on_cluster(clients: Any) -> Deployed:
    outputs = {"HeadName": "ray-head.dev.ray.internal", "TargetGroupArn": "the-group"}
    return Deployed(an_environment(), Outputs(STACK, outputs))


def test_on_the_cluster_it_is_reached_through_an_instance_that_answers(tools: Path) -> None:
    clients: Any = Balancer(first="draining", second="healthy", third="healthy")

    road = road_to_pipeline(clients, on_cluster(clients))

    assert road.led_by == "second"


def test_where_no_instance_answers_it_says_so(tools: Path) -> None:
    clients: Any = Balancer(first="unhealthy")

    with pytest.raises(NotReached, match="no instance of the group answers yet"):
        road_to_pipeline(clients, on_cluster(clients)).address(8000)


def test_the_api_that_is_not_reached_is_not_answered(made: Pipeline, tools: Path) -> None:
    pipeline = find_pipeline(made.clients, with_documents())

    answered = api_of_pipeline(made.clients, pipeline).answered()

    assert answered.startswith("nothing: this machine has no line into the VPC")
