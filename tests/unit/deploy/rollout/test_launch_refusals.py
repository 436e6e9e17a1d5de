"""What a wait says that EC2 refused, and that it goes on without knowing, unless it may not ask."""

from types import SimpleNamespace
from typing import Any

import pytest

from common.errors import Denied, PipelineError, Unanswered
from deploy.rollout import launch_refusals
from deploy.rollout.launch_refusals import LaunchRefusals
from tests.unit.localcloud.fakes import FakeClock


def refusals(monkeypatch: pytest.MonkeyPatch, error: PipelineError) -> LaunchRefusals:
    """Those of a cluster whose leader's guard is asked in vain."""
    clock: Any = FakeClock()
    access: Any = SimpleNamespace(clients=None, environment=None, clock=clock)
    lease = SimpleNamespace(holder="i-1", released=False)
    monkeypatch.setattr(launch_refusals, "find_lease", lambda *_: lease)

    def health(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(launch_refusals, "autoscaler_health", health)
    found = LaunchRefusals(access)
    clock.advance(15)
    return found


def test_a_wait_goes_on_while_the_guard_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusals(monkeypatch, Unanswered("AWS answered InternalError")).words() == ""


def test_a_wait_ends_where_it_may_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Denied, match="AccessDenied"):
        refusals(monkeypatch, Denied("AWS answered AccessDenied")).words()
