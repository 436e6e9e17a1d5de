"""The clients of a node: none is created without credentials."""

from typing import Any

import boto3
import pytest

from node import clients


class Session:
    """A session whose metadata service has the role's credentials only later."""

    def __init__(self, region_name: str) -> None:
        self.looks = 0

    def get_credentials(self) -> object | None:
        self.looks += 1
        return object() if self.looks > 3 else None

    def client(self, service: str, config: Any) -> str:
        assert self.looks == 4, "a client made without credentials never has any"
        return service


def test_a_client_is_created_once_the_role_has_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(boto3.session, "Session", Session)
    monkeypatch.setattr("time.sleep", pauses.append)
    said: list[tuple[str, dict[str, object]]] = []

    def log(event: str, **fields: object) -> None:
        said.append((event, fields))

    monkeypatch.setattr(clients, "EventLog", lambda: log)
    clients._session.cache_clear()

    made = clients.make_client("ec2", "eu-north-1")

    clients._session.cache_clear()
    assert made == "ec2"
    assert pauses == [0.5] * 2
    assert said == [("no credentials yet", {"level": 4, "source": "metadata service"})]
