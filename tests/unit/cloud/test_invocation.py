"""On AWS each command has the credentials of the role that may do it, and of no other."""

import os
import subprocess
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from common.clients import Clients
from common.environment import Environment
from common.errors import Denied, TimedOut
from tests.cloud import invocation
from tests.cloud.invocation import Invoke, await_roles
from tests.cloud.suite_run import SuiteRun, base_environment
from tests.unit.localcloud.fakes import FakeClock


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


class Iam:
    """An owner's clients, in an account whose roles are known one by one, their policies later."""

    region = "us-east-1"

    def __init__(self, clock: FakeClock, *, known: float, allowed: float) -> None:
        self.clock, self.known, self.allowed = clock, known, allowed
        self.begun = clock.now()
        self.read: list[str] = []

    def as_role(self, arn: str, region: str, session_name: str) -> Any:
        self._refuse_before(self.known, f"assuming {arn}")
        return lambda service: SimpleNamespace(
            get_caller_identity=lambda: None,
            describe_availability_zones=partial(self._read, arn),
        )

    def _read(self, arn: str) -> None:
        self._refuse_before(self.allowed, f"reading as {arn}")
        self.read.append(arn.rpartition("/")[2])

    def _refuse_before(self, seconds: float, what: str) -> None:
        if self.clock.now() < self.begun + seconds:
            raise Denied(f"{what}: AWS answered AccessDenied")


def test_a_run_begins_once_both_roles_can_be_assumed_and_may_read() -> None:
    clock = FakeClock()
    iam = Iam(clock, known=7.0, allowed=30.0)

    await_roles(cast(Clients, iam), an_account(), clock)

    assert 30.0 <= clock.now() - iam.begun < 34.0
    assert iam.read == ["raykiln-t-3fa9c1-bake", "raykiln-t-3fa9c1-deploy"]


def test_a_role_that_never_answers_is_named_with_what_aws_said() -> None:
    clock = FakeClock()

    with pytest.raises(TimedOut, match=r"-bake: not within 300 s; last seen: assuming arn:"):
        await_roles(cast(Clients, Iam(clock, known=1e6, allowed=0.0)), an_account(), clock)


def an_account() -> Environment:
    return SuiteRun(base_environment(), "3fa9c1").environment()


def test_the_roles_of_a_run_are_awaited_before_any_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    happened: list[str] = []
    for name in ("set_up_account", "await_roles"):
        monkeypatch.setattr(invocation, name, lambda *_, name=name, **__: happened.append(name))
    monkeypatch.setattr(SuiteRun, "is_local", False)

    with invocation.invoking(tmp_path):
        happened.append("commands")

    assert happened == ["set_up_account", "await_roles", "commands"]
