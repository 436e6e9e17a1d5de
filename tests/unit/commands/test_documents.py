"""Pausing and resuming documents: what is asked, and that one that was killed is finished."""

from types import SimpleNamespace
from typing import Any

import pytest

from commands import documents
from deploy.documents import pause, pipeline
from tests.unit.deploy.builders import an_environment


@pytest.mark.parametrize("paused", [True, False])
@pytest.mark.parametrize("was_paused", [True, False])
def test_only_a_change_is_asked_about_and_any_is_finished(
    monkeypatch: pytest.MonkeyPatch, paused: bool, was_paused: bool
) -> None:
    asked, done = list[str](), list[bool]()

    def change(clients: Any, environment: Any, paused: bool, **_: Any) -> None:
        done.append(paused)

    found = SimpleNamespace(paused=was_paused)
    monkeypatch.setattr(pipeline, "find_pipeline", lambda *_: found)
    monkeypatch.setattr(pause, "change_pause", change)
    monkeypatch.setattr(documents, "clients_of", lambda environment: None)
    monkeypatch.setattr(documents, "approve", lambda words, yes: asked.append(words))

    documents.set_paused(an_environment(), paused, yes=False)

    assert asked == ([] if paused == was_paused else ["Go ahead?"])
    assert done == [paused]
