"""Access to Ray on the leader: the token, and one road to each environment."""

from collections.abc import Iterator
from typing import Any

import pytest

from common.errors import PipelineError
from deploy.cluster.ray_access import cluster_token, open_road, ray_api, road_to
from tests.unit.answers import Answers, refused
from tests.unit.deploy.builders import an_environment
from tests.unit.deploy.ray_stub import RayStub, serving


@pytest.fixture
def ray() -> Iterator[RayStub]:
    with serving(RayStub()) as stub:
        yield stub


def test_the_token_is_that_of_the_environment() -> None:
    aws: Any = Answers(get_parameter=[{"Parameter": {"Value": "t"}}, refused("ParameterNotFound")])

    assert cluster_token(aws, an_environment()) == "t"
    with pytest.raises(PipelineError) as raised:
        cluster_token(aws, an_environment())

    assert aws.requests[0][1]["Name"] == "/ray/dev/redis_password"
    assert raised.value.hint == "is there a cluster? `invoke deploy --env dev` creates both"


def test_clients_have_one_road_to_each_environment() -> None:
    group = {"AutoScalingGroups": [{"DesiredCapacity": 1}]}
    paused = {"AutoScalingGroups": [{"DesiredCapacity": 0}]}
    aws: Any = Answers(describe_auto_scaling_groups=[group, paused])

    road = road_to(aws, an_environment())

    assert road_to(aws, an_environment()) is road
    assert open_road(aws, an_environment()) is road
    with pytest.raises(PipelineError, match=r"^dev is paused"):
        open_road(aws, an_environment())


def test_ray_is_asked_with_the_token_of_the_environment(
    ray: RayStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws: Any = Answers(get_parameter={"Parameter": {"Value": "a-token"}})
    api = ray_api(aws, an_environment())
    road = road_to(aws, an_environment())
    monkeypatch.setattr(road, "address", lambda _: ("127.0.0.1", ray.port))
    ray.add_node("10.0.0.9", head=True)

    assert api.base == "http://ray-head.dev.ray.internal:8265"
    assert [node.address for node in api.nodes()] == ["10.0.0.9"]


@pytest.mark.parametrize(
    ("lease", "leader"),
    [
        ({"Item": {"holder": {"S": "i-1"}, "released": {"BOOL": False}}}, "i-1"),
        ({"Item": {"holder": {"S": "i-1"}, "released": {"BOOL": True}}}, ""),
        ({}, ""),
    ],
)
def test_the_road_leads_to_whoever_holds_the_lease(lease: dict[str, Any], leader: str) -> None:
    aws: Any = Answers(get_item=lease)

    assert road_to(aws, an_environment()).led_by == leader
    assert aws.requests[0][1]["TableName"] == "raykiln-lease-dev"
