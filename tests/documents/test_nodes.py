"""Which nodes consumers use, and what is asked of Ray for those that are missing; Ray is a fake."""

from typing import Any

import pytest

from documents import consumer, nodes
from documents.consumer import Keeper
from documents.errors import Unavailable
from documents.log import JsonLog
from documents.settings import Settings, load_settings
from tests.unit.documents.test_settings import NEEDED

GIB = 2**30


def node(name: str, cpus: float = 2, memory: float = 8 * GIB) -> dict[str, Any]:
    return {"NodeID": name, "Resources": {"CPU": cpus, "memory": memory}}


def settings(**changes: str) -> Settings:
    told = {"GROUP": "documents", "WORKERS_MAX": "4", "GROW_SECONDS": "0", "SHRINK_SECONDS": "0"}
    return load_settings({**NEEDED, **{f"DOCUMENTS_{k}": v for k, v in (told | changes).items()}})


class Ray:
    """Tasks that wait until they are cancelled, or a test says that they ran."""

    def __init__(self) -> None:
        self.there: list[dict[str, Any]] = []
        self.waiting: list[str] = []
        self.options_given: dict[str, Any] = {}
        self.count = 0

    def remote(self, *_: Any) -> Any:
        if not _:
            self.count += 1
            self.waiting.append(f"task-{self.count}")
            return self.waiting[-1]
        return self

    def options(self, **given: Any) -> "Ray":
        self.options_given = given
        return self

    def wait(self, refs: list[str], num_returns: int, timeout: float) -> Any:
        assert (num_returns, timeout) == (len(refs), 0)
        return [r for r in refs if r not in self.waiting], [r for r in refs if r in self.waiting]

    def cancel(self, ref: str) -> None:
        self.waiting.remove(ref)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Ray:
    found = Ray()
    monkeypatch.setattr(nodes, "ray", found)
    monkeypatch.setattr(nodes, "nodes_of", lambda group: found.there)
    monkeypatch.setattr(nodes, "_needed", lambda: {"b"})
    return found


class Backlog:
    """What waits in the queue; less than nothing, and the queue does not answer."""

    count = 0

    def __call__(self) -> int:
        if self.count < 0:
            raise Unavailable("SQS does not answer")
        return self.count


def names(found: list[dict[str, Any]]) -> list[str]:
    return [one["NodeID"] for one in found]


def test_a_task_of_a_whole_node_waits_for_each_that_is_missing(ray: Ray) -> None:
    backlog = Backlog()
    group = nodes.Nodes(settings(), backlog, JsonLog("test"))
    ray.there = [node("a", cpus=4)]

    backlog.count = 25
    assert names(group.in_use()) == ["a"]
    assert ray.waiting == ["task-1", "task-2"]
    assert ray.options_given == {
        "num_cpus": 4,
        "max_retries": 0,
        "label_selector": {"ray.io/node-group": "documents"},
    }

    ray.there, ray.waiting = [node("a"), node("b")], ["task-2"]
    assert names(group.in_use()) == ["a", "b"]
    assert ray.waiting == ["task-2"]

    backlog.count = 400
    group.in_use()
    assert ray.waiting == ["task-2", "task-3"]

    backlog.count = 0
    assert names(group.in_use()) == ["b"]
    assert ray.waiting == []


def test_of_too_many_nodes_those_are_used_that_cannot_become_idle(ray: Ray) -> None:
    backlog = Backlog()
    group = nodes.Nodes(settings(), backlog, JsonLog("test"))
    ray.there = [node(name) for name in "dcba"]

    backlog.count = 19
    assert names(group.in_use()) == ["b", "a"]


def test_while_the_queue_does_not_answer_the_number_stays(ray: Ray) -> None:
    backlog = Backlog()
    group = nodes.Nodes(settings(), backlog, JsonLog("test"))
    ray.there = [node("a"), node("b")]
    backlog.count = 15
    group.in_use()

    backlog.count = -1
    assert names(group.in_use()) == ["a", "b"]
    assert ray.waiting == []


@pytest.mark.parametrize("changes", [{"GROUP": ""}, {"WORKERS_MAX": ""}])
def test_where_others_see_to_the_number_all_nodes_are_used(
    ray: Ray, changes: dict[str, str]
) -> None:
    backlog = Backlog()
    backlog.count = 100
    ray.there = [node("a"), node("c")]

    assert names(nodes.Nodes(settings(**changes), backlog, JsonLog("x")).in_use()) == ["a", "c"]
    assert ray.waiting == []


class Consumers:
    """The consumers that a keeper starts and stops, and what each says of itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, states: dict[str, dict[str, Any]]) -> None:
        self.states, self.started, self.stopped = states, list[str](), list[str]()
        monkeypatch.setattr(consumer, "names", lambda: sorted(self.states))
        monkeypatch.setattr(consumer, "_state", lambda name: self.states[name])
        monkeypatch.setattr(consumer, "stop", lambda names: self.stopped.extend(names))
        monkeypatch.setattr(Keeper, "_start", lambda keeper, name: self.started.append(name))


def test_a_node_has_a_consumer_for_each_cpu_as_far_as_its_memory_goes(
    ray: Ray, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumers = Consumers(monkeypatch, {})
    ray.there = [node("a", cpus=4, memory=4 * GIB), node("c", cpus=1, memory=4 * GIB)]
    found = settings(WORKERS_MAX="", CONSUMER_MEMORY=str(1536 * 2**20))

    Keeper(found, nodes.Nodes(found, Backlog(), JsonLog("x")), JsonLog("x")).step()

    assert consumers.started == ["consumer-0", "consumer-1", "consumer-2"]


def test_those_end_first_that_wait_and_those_on_nodes_that_are_given_up(
    ray: Ray, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray.there = [node("b"), node("c"), node("d")]
    states = {
        "consumer-0": {"node": "b", "at": "input/a"},
        "consumer-1": {"node": "b", "at": ""},
        "consumer-2": {"node": "c", "at": "input/b"},
        "consumer-3": {"node": "d", "at": ""},
        "consumer-4": {},
    }
    consumers = Consumers(monkeypatch, states)
    found = settings()

    Keeper(found, nodes.Nodes(found, Backlog(), JsonLog("x")), JsonLog("x")).step()

    assert consumers.stopped == ["consumer-4", "consumer-3", "consumer-2"]
    assert consumers.started == []
