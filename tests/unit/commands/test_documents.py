"""What documents.* ask, and in which order they look at things."""

from types import SimpleNamespace
from typing import Any

import pytest
from moto import mock_aws

from commands import documents
from common.clients import Clients
from common.errors import Refused
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


def test_nothing_is_fetched_for_credentials_of_another_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fetched = list[str]()
    monkeypatch.setattr(documents, "images_of", lambda one: fetched.append(one.name))
    monkeypatch.setattr(documents, "clients_of", lambda one: Clients(one.region))

    with mock_aws():
        with pytest.raises(Refused, match="these credentials belong to account 123456789012"):
            documents.deployment_of(an_environment(account_id="999999999999"), force=False)
        assert fetched == []

        documents.deployment_of(an_environment(), force=False)
        assert fetched == ["dev"]
