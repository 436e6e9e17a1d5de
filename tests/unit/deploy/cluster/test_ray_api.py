"""Ray's dashboard API: what is read of its answers, and what is said without one."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from common.errors import Refused
from deploy.cluster.ray_api import (
    Actor,
    Job,
    PlacementGroup,
    RayApi,
    RayNode,
    RunningJob,
    SubmittedJob,
    TokenRefused,
    Unreachable,
    alive_workers,
)
from deploy.reach.plugin import NotReached
from deploy.reach.road import Address, Road
from tests.unit.answers import Answers
from tests.unit.deploy.ray_stub import RayStub, serving


@pytest.fixture
def ray() -> Iterator[RayStub]:
    with serving(RayStub()) as stub:
        yield stub


def test_the_head_comes_first_then_nodes_by_address(ray: RayStub) -> None:
    ray.add_node("10.0.0.3", labels={"shelf": "a"})
    ray.add_node("10.0.0.2", state="DEAD")
    ray.add_node("10.0.0.9", head=True, cpus=2)
    ray.nodes.append({"node_id": "n", "node_ip": "10.0.0.4", "is_head_node": 0, "state": "ALIVE"})

    found = ray.api().nodes()

    assert [node.address for node in found] == ["10.0.0.9", "10.0.0.2", "10.0.0.3", "10.0.0.4"]
    assert found[2] == RayNode(
        id="id-10.0.0.3",
        address="10.0.0.3",
        is_head=False,
        state="ALIVE",
        resources={"memory": 5e9, "node:10.0.0.3": 1.0},
        labels={"shelf": "a"},
    )
    assert found[3] == RayNode("n", "10.0.0.4", False, "ALIVE")
    assert [node.leads for node in found] == [True, False, False, False]
    assert [node.address for node in alive_workers(ray.api())] == ["10.0.0.3", "10.0.0.4"]


def test_submitted_jobs_come_oldest_first_without_other_drivers(ray: RayStub) -> None:
    for name, status in (("b", "FAILED"), ("a", "RUNNING"), ("c", "PENDING")):
        ray.add_job(name, status=status)
    ray.job_rows[0] |= {"error_type": "JOB_ENTRYPOINT_COMMAND_ERROR", "start_time": 1500}
    ray.job_rows[1] |= {"start_time": 1500}
    ray.add_driver("01000000")

    command = "python secret.py"
    assert ray.api().submitted_jobs() == (
        SubmittedJob("c", "PENDING", command, "", 0.0),
        SubmittedJob("a", "RUNNING", command, "", 1.5),
        SubmittedJob("b", "FAILED", command, "JOB_ENTRYPOINT_COMMAND_ERROR", 1.5),
    )
    assert ray.api().running_jobs() == (
        RunningJob("a", "id-head"),
        RunningJob("c", "id-head"),
        RunningJob("01000000", ""),
    )


def test_live_actors_are_named_as_their_owner_knows_them(ray: RayStub) -> None:
    ray.add_actor("Counter", "n-1", name="mine")
    ray.add_actor("Counter", "n-2")
    ray.add_actor("Counter", "n-3", state="DEAD")
    ray.add_actor("JobSupervisor", "n-1", space="SUPERVISOR_ACTOR_RAY_NAMESPACE")

    found = ray.api().actors()

    assert found == (
        Actor("0" * 32, "Counter", "mine", "n-1"),
        Actor("0" * 31 + "1", "Counter", "", "n-2"),
    )
    assert [actor.words for actor in found] == ["Counter mine", "Counter"]


def test_placement_groups_are_those_that_reserve_something(ray: RayStub) -> None:
    ray.add_placement_group("train", "n-2", "n-1", "n-2")
    ray.add_placement_group("", "n-1")
    ray.add_placement_group("gone", "n-1", state="REMOVED")

    found = ray.api().placement_groups()

    assert found == (
        PlacementGroup("0" * 36, "train", ("n-1", "n-2")),
        PlacementGroup("0" * 35 + "1", "", ("n-1",)),
    )
    assert [group.words for group in found] == ["train", "0" * 12]


def test_lists_are_asked_for_whole(ray: RayStub) -> None:
    for number in range(101):
        ray.add_node(f"10.0.1.{number}")

    assert len(ray.api().nodes()) == 101


def test_a_job_s_driver_runs_on_a_worker_or_on_the_head(ray: RayStub) -> None:
    ray.message = "went well"
    ray.logs = "printed"
    api = ray.api()

    api.submit("python a.py", "one")
    api.submit("python b.py", "two", on_head=True)

    assert ray.entrypoints == {"one": "python a.py", "two": "python b.py"}
    assert ray.selectors == {"one": None, "two": {"ray.io/node-group": "head"}}
    seen = [api.job("one") for _ in range(3)]
    assert seen[2] == Job("one", "SUCCEEDED", "went well")
    assert [job.is_finished for job in seen] == [False, False, True]
    assert [job.succeeded for job in seen] == [False, False, True]
    assert api.logs("one") == "printed"
    assert Job("x", "FAILED", "").is_finished
    assert Job("x", "STOPPED", "").is_finished


def test_another_token_is_refused_with_how_it_is_replaced(ray: RayStub) -> None:
    with pytest.raises(Refused) as caught:
        ray.api("another").nodes()

    assert isinstance(caught.value, TokenRefused)
    assert caught.value.message == (
        f"http://127.0.0.1:{ray.port}/api/v0/nodes?limit=10000 refuses the token: "
        "Unauthorized: Missing authentication token"
    )
    assert caught.value.hint == (
        "was the secret changed? Ray reads it when it starts: invoke token.rotate"
    )


def test_any_other_answer_is_named_with_its_address(ray: RayStub) -> None:
    ray.failures = 1

    with pytest.raises(Unreachable) as raised:
        ray.api().submitted_jobs()

    assert raised.value.message == (
        f"http://127.0.0.1:{ray.port}/api/jobs/ answered 500: "
        "Timed out waiting for an available job agent"
    )


def test_what_is_not_json_is_no_answer(ray: RayStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RayStub, "answer", lambda *_: (200, "<html>" + "x" * 500))

    with pytest.raises(Unreachable) as raised:
        ray.api().submitted_jobs()

    assert raised.value.message == (
        f"http://127.0.0.1:{ray.port}/api/jobs/ did not answer with JSON: b'<html>{'x' * 194}'"
    )


def test_without_a_road_the_host_is_reached_by_its_name() -> None:
    api = RayApi("127.0.0.1", "t", port=1)

    assert (api.base, api.way) == ("http://127.0.0.1:1", "directly")
    with pytest.raises(Unreachable, match=r"^http://127\.0\.0\.1:1/api/jobs/: "):
        api.submitted_jobs()


def test_where_no_road_leads_to_the_leader_it_says_what_to_do() -> None:
    class Nowhere(Road):
        def address(self, port: int) -> Address:
            raise NotReached(f"no way to {port}", hint="install it")

    clients: Any = Answers()
    api = RayApi("ray-head.dev", "t", road=Nowhere(clients, "ray-head.dev", str))

    with pytest.raises(Unreachable) as raised:
        api.nodes()

    assert (raised.value.message, raised.value.hint) == ("no way to 8265", "install it")


def test_each_call_is_made_over_a_new_connection_with_time_limits(
    ray: RayStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float | None] = []
    monkeypatch.setattr(
        socket.socket, "settimeout", lambda _, seconds: limits.append(seconds), raising=False
    )

    ray.api().submitted_jobs()

    assert limits == [5.0, 30.0]  # to connect, and to be answered
    assert ray.headers["Authorization"] == "Bearer a-token"
    assert ray.headers["Connection"] == "close"
