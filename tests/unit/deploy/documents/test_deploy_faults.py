"""A deploy, an update and a destroy, killed at each call that changes something, then run again."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from common.clients import Clients
from deploy.foundation.stack import find_stack
from tests.unit.deploy.documents.pipeline import STACK, Pipeline
from tests.unit.deploy.documents.test_deploy import Operator, left, put
from tests.unit.localcloud.conftest import a_world
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

READS = ("Describe", "Get", "List", "Head")


class Killed(BaseException):
    """The process is gone; nothing of it may run any more."""


@dataclass
class Calls:
    """Counts the calls that change something, and dies at one of them, before or after it."""

    die_at: int = -1
    after: bool = False
    names: list[str] = field(default_factory=list)

    def before(self, model: Any, **_: Any) -> None:
        if model.name.startswith(READS):
            return
        self.names.append(model.name)
        if len(self.names) - 1 == self.die_at and not self.after:
            raise Killed

    def done(self, model: Any, **_: Any) -> None:
        is_it = not model.name.startswith(READS) and len(self.names) - 1 == self.die_at
        if is_it and self.after:
            raise Killed


class Watched(Clients):
    """Clients whose calls are counted."""

    def __init__(self, calls: Calls) -> None:
        super().__init__("us-east-1")
        self._watch = calls

    def _make(self, service: str) -> Any:
        client = super()._make(service)
        client.meta.events.register("before-call", self._watch.before)
        client.meta.events.register("after-call", self._watch.done)
        return client


def nothing(operator: Operator) -> None:
    """Begin with nothing."""


def deployed(operator: Operator) -> None:
    """Begin with a pipeline that holds a document."""
    operator.deploy()
    put(operator, "input/a.txt")


def deploy(operator: Operator) -> None:
    operator.deploy()


def update(operator: Operator) -> None:
    operator.images.version = 2
    operator.deploy()


def destroy(operator: Operator) -> None:
    operator.destroy()


def runs(operator: Operator) -> None:
    """The pipeline runs, and nothing is left to do."""
    assert operator.running() == {"head": 1, "worker": 1}
    assert operator.deployment().plan().is_empty


def is_gone(operator: Operator) -> None:
    assert left(operator) == []


Act = Callable[[Operator], None]
STORIES: dict[str, tuple[Act, Act, Act]] = {
    "deploy": (nothing, deploy, runs),
    "update": (deployed, update, runs),
    "destroy": (deployed, destroy, is_gone),
}


def trial(story: str, calls: Calls) -> None:
    """Play a story in a world of its own; who is killed in it runs it again."""
    before, act, after = STORIES[story]
    clock = FakeClock()
    with a_world(clock, FakeDriver(clock)):
        operator = Operator(Pipeline(clock))
        before(operator)
        clients = operator.aws.clients
        operator.aws.clients = Watched(calls)
        try:
            act(operator)
            assert calls.die_at < 0, "no one was killed"
        except Killed:
            operator.aws.clients = clients
            act(operator)
        operator.aws.clients = clients
        after(operator)


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("story", STORIES)
def test_who_is_killed_at_any_change_runs_it_again(story: str) -> None:
    counted = Calls()
    trial(story, counted)
    assert "ExecuteChangeSet" in counted.names

    chosen = [(at, after) for at in range(len(counted.names)) for after in (False, True)]
    if not os.environ.get("RAYKILN_THOROUGH"):  # the calls of one kind are alike
        first = sorted({counted.names.index(name) for name in counted.names})
        chosen = [(at, number % 2 == 1) for number, at in enumerate(first[::5])]
    for at, after in chosen:
        trial(story, Calls(at, after))


def test_what_a_killed_deploy_has_begun_is_paused_before_it_is_deleted() -> None:
    clock = FakeClock()
    with a_world(clock, FakeDriver(clock)):
        operator = Operator(Pipeline(clock))
        aws, counted = operator.aws, Calls()
        aws.clients, clients = Watched(counted), aws.clients
        operator.deploy()
        operator.destroy()
        killed = Calls(counted.names.index("ExecuteChangeSet"), after=True)
        aws.clients = Watched(killed)
        with pytest.raises(Killed):
            operator.deploy()
        stack = find_stack(clients, STACK)
        assert stack
        assert stack.status == "CREATE_IN_PROGRESS"

        aws.clients = Watched(later := Calls())
        operator.destroy()

        assert later.names.index("ExecuteChangeSet") < later.names.index("DeleteStack")
        assert left(operator) == []
