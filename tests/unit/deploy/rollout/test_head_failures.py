"""Which failed launches a rollout counts as its own."""

from types import SimpleNamespace
from typing import Any

import pytest

from deploy.cluster.activities import Failure
from deploy.rollout.head_failures import HeadFailures

LAUNCHES = tuple(
    Failure(id=str(number), instance_id=name, reason="cancelled")
    for number, name in enumerate(("i-old", "i-second", "i-third", "i-new"))
)


def test_heads_of_another_version_that_a_rollout_terminates_are_no_failures_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A deploy that was stopped left i-second in its launch hook; this one wants version 3."""
    monkeypatch.setattr("deploy.rollout.head_failures.find_failures", lambda *_: LAUNCHES)
    access: Any = SimpleNamespace(clients=None, environment=SimpleNamespace(head_group="heads"))
    failures = HeadFailures(access, frozenset({"0"}), {"i-second": 2, "i-third": 3})

    assert [failure.instance_id for failure in failures.found(3)] == ["i-third", "i-new"]
