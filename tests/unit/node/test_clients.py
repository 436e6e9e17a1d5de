"""The clients of a node: none is created without credentials, or lists what services there are."""

import ast
import os
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from node import clients

NODE = Path(clients.__file__).parent


class Session:
    """A session whose metadata service has the role's credentials only later."""

    def __init__(self) -> None:
        self.looks = 0

    def set_config_variable(self, name: str, value: str) -> None:
        assert (name, value) == ("region", "eu-north-1")

    def register_component(self, name: str, component: object) -> None:
        pass

    def get_credentials(self) -> object | None:
        self.looks += 1
        return object() if self.looks > 3 else None

    def create_client(self, service: str, config: Any) -> str:
        assert self.looks == 4, "a client made without credentials never has any"
        return service


def test_an_error_without_a_code_has_none() -> None:
    assert clients.error_code(ClientError({"Error": {"Code": "Throttling"}}, "GetItem")) == (
        "Throttling"
    )
    assert clients.error_code(ClientError({}, "GetItem")) == ""


def test_a_client_is_created_once_the_role_has_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(botocore.session, "get_session", Session)
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


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the folders that are listed from now on; there are credentials, and no session."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    found: list[str] = []
    listdir = os.listdir

    def list_and_note(path: Any = ".") -> list[str]:
        found.append(str(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", list_and_note)
    clients._session.cache_clear()
    return found


def test_a_client_lists_the_versions_of_its_own_service_alone(listed: list[str]) -> None:
    made = clients.make_client("ssm", "eu-north-1")

    clients._session.cache_clear()
    assert made.meta.endpoint_url == "https://ssm.eu-north-1.amazonaws.com"
    assert {Path(folder).name for folder in listed} == {"ssm"}


def test_the_services_that_a_node_calls_are_those_that_it_can_make_clients_of() -> None:
    trees = [ast.parse(path.read_text()) for path in NODE.rglob("*.py")]
    calls = [one for tree in trees for one in ast.walk(tree) if isinstance(one, ast.Call)]
    made = {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id in ("make_client", "client")
        and isinstance(call.args[0], ast.Constant)
    }

    # Mutants of a call stand in the same file, and name no service.
    assert made & set(botocore.session.get_session().get_available_services()) == set(
        clients.SERVICES
    )
