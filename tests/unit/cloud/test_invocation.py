"""On AWS each command has the credentials of the role that may do it, and of no other."""

import os
import subprocess
from typing import Any

import pytest

from common.clients import Clients
from common.environment import Environment
from tests.cloud import invocation
from tests.cloud.invocation import Invoke
from tests.cloud.suite_run import SuiteRun, base_environment


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whose credentials each command had."""
    found: list[str] = []

    def assume(owner: Clients, environment: Environment, role: str) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": f"{role} of {environment.name}"}

    def run(*_: Any, **__: Any) -> "subprocess.CompletedProcess[str]":
        found.append(os.environ["AWS_ACCESS_KEY_ID"])
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(invocation, "assume_role", assume)
    monkeypatch.setattr("subprocess.run", run)
    return found


def test_each_command_has_the_credentials_of_its_role(seen: list[str]) -> None:
    before = os.environ["AWS_ACCESS_KEY_ID"]
    invoke = Invoke(SuiteRun(base_environment(), "3fa9c1"), Clients("us-east-1"))

    for command in ("bake", "images", "deploy", "status"):
        invoke(command)

    bake, deploy = "bake of t-3fa9c1", "deploy of t-3fa9c1"
    assert seen == [bake, bake, deploy, deploy]
    assert os.environ["AWS_ACCESS_KEY_ID"] == before


def test_on_the_local_cloud_a_command_becomes_its_role_by_itself(seen: list[str]) -> None:
    Invoke(SuiteRun(base_environment(), "3fa9c1"))("deploy")

    assert seen == [os.environ["AWS_ACCESS_KEY_ID"]]
