"""Jobs by Ray's API, over HTTP, and the smoke job."""

import json
import shlex
from collections.abc import Iterator

import boto3
import pytest

from common.clients import Clients
from common.errors import PipelineError, Refused, TimedOut
from deploy.cluster.ray_access import ray_api
from deploy.cluster.ray_api import RayApi, Unreachable
from deploy.verify.smoke import participants, run_group_job, run_job, run_smoke_job
from localcloud.world import World
from tests.unit.deploy.builders import an_environment
from tests.unit.deploy.ray_stub import RayStub, serving
from tests.unit.localcloud.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ray() -> Iterator[RayStub]:
    with serving(RayStub()) as stub:
        yield stub


def test_a_job_is_submitted_and_its_log_returned(ray: RayStub, clock: FakeClock) -> None:
    ray.logs = "hello\n"
    said: list[str] = []

    result = run_job(ray.api(), "echo hello", clock=clock, progress=said.append)

    assert result.logs == "hello\n"
    assert ray.entrypoints == {result.id: "echo hello"}
    assert said == ["job pending", "job running"]


def test_a_failed_job_raises_with_the_end_of_its_log(ray: RayStub, clock: FakeClock) -> None:
    ray.states, ray.message = ("RUNNING", "FAILED"), "exit code 3, last available logs: no disk"

    with pytest.raises(PipelineError, match=r"failed: exit code 3, last available logs: no disk"):
        run_job(ray.api(), "false", clock=clock)


def test_a_job_that_never_ends_times_out(ray: RayStub, clock: FakeClock) -> None:
    ray.states = ("RUNNING",)
    begun = clock.now()

    with pytest.raises(TimedOut, match="job running"):
        run_job(ray.api(), "sleep inf", clock=clock, seconds=30)

    assert clock.now() - begun == pytest.approx(30)


def test_waits_for_a_head_that_does_not_answer_yet(ray: RayStub, clock: FakeClock) -> None:
    ray.failures = 6

    result = run_job(ray.api(), "true", clock=clock)

    assert result.accepted_seconds > 0
    assert len(ray.jobs) == 1


def test_a_job_whose_response_was_lost_is_not_submitted_twice(
    ray: RayStub, clock: FakeClock
) -> None:
    ray.answers_lost = 1

    result = run_job(ray.api(), "true", clock=clock)

    assert list(ray.jobs) == [result.id]


def test_a_wrong_token_is_refused_at_once(ray: RayStub, clock: FakeClock) -> None:
    with pytest.raises(Refused, match="refuses the token"):
        run_job(ray.api(token="another"), "true", clock=clock)

    assert clock.now() == FakeClock().now()


def test_a_closed_port_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="refused"):
        RayApi("127.0.0.1", "x", port=1).nodes()


def test_the_head_comes_first_among_the_nodes(ray: RayStub) -> None:
    ray.add_node("10.77.0.5", state="DEAD")
    ray.add_node("10.77.0.9", head=True)

    found = [(node.id, node.address, node.is_head, node.state) for node in ray.api().nodes()]

    assert found == [
        ("id-10.77.0.9", "10.77.0.9", True, "ALIVE"),
        ("id-10.77.0.5", "10.77.0.5", False, "DEAD"),
    ]


def test_a_node_has_its_resources_and_labels(ray: RayStub) -> None:
    ray.add_node("10.77.0.5", cpus=2, labels={"ray.io/node-group": "cpu"})
    ray.nodes.append(ray.nodes[0] | {"node_ip": "10.77.0.6", "resources_total": None})
    del ray.nodes[1]["labels"]

    first, second = ray.api().nodes()

    base = {"memory": 5e9, "node:10.77.0.5": 1.0}
    assert first.resources == base | {"CPU": 2.0, "driver": 1000.0}
    assert first.labels == {"ray.io/node-group": "cpu"}
    assert (second.resources, second.labels) == ({}, {})


def test_all_nodes_are_listed_with_many_dead_ones(ray: RayStub) -> None:
    for number in range(150):
        ray.add_node(f"10.77.1.{number}", state="DEAD")
    ray.add_node("10.77.0.9", head=True)

    assert len(ray.api().nodes()) == 151


def test_the_smoke_job_names_every_node_that_took_part(ray: RayStub, clock: FakeClock) -> None:
    lines = [
        {"node_id": f"n{address}", "address": address, "hostname": f"ip-{address}", "pid": 7}
        for address in ("10.77.0.9", "10.77.0.5")
    ]
    ray.logs = "\n".join(["Runtime env is setting up.", *(f"here: {json.dumps(x)}" for x in lines)])

    _, nodes = run_smoke_job(ray.api(), ["10.77.0.9", "10.77.0.5"], clock=clock)

    assert [node.address for node in nodes] == ["10.77.0.5", "10.77.0.9"]
    [entrypoint] = ray.entrypoints.values()
    command = shlex.split(entrypoint)
    assert command[:2] == ["/opt/ray/bin/python", "-c"]
    assert command[-2:] == ["10.77.0.5", "10.77.0.9"]
    assert list(ray.selectors.values()) == [{"ray.io/node-group": "head"}]


def test_the_group_job_names_where_the_task_of_each_group_ran(
    ray: RayStub, clock: FakeClock
) -> None:
    ray.logs = 'here: {"group": "gpu", "node_id": "n5", "address": "10.77.0.5"}\n'

    ran = run_group_job(ray.api(), ["gpu"], clock=clock)

    assert ran == {"gpu": "10.77.0.5"}
    assert list(ray.selectors.values()) == [None]
    [entrypoint] = ray.entrypoints.values()
    command = shlex.split(entrypoint)
    assert command[:2] == ["/opt/ray/bin/python", "-c"]
    assert command[-2:] == ["60", "gpu"]


def test_a_log_without_nodes_names_none() -> None:
    assert participants("Runtime env is setting up.\nnothing here: {\n") == ()


def test_the_token_is_the_environment_s_secret(world: World) -> None:
    environment = an_environment()
    boto3.client("ssm").put_parameter(Name=environment.secret, Value="t0ken", Type="SecureString")

    api = ray_api(Clients("us-east-1"), environment)

    assert api.base == "http://ray-head.dev.ray.internal:8265"


def test_a_missing_secret_is_refused(world: World) -> None:
    with pytest.raises(Refused, match="there is no secret /ray/dev/redis_password"):
        ray_api(Clients("us-east-1"), an_environment())
