"""Task doctor: what it is told of this machine."""

from collections.abc import Iterator
from typing import Any

import pytest
from invoke.context import MockContext

from commands.doctor import doctor
from deploy.operate.diagnosis import Diagnosis
from tests.unit.deploy.builders import an_environment


@pytest.mark.parametrize(("only", "bakes"), [("", True), ("bake", True), ("deploy", False)])
def test_a_machine_that_was_set_up_for_deploys_alone_need_not_bake(
    monkeypatch: pytest.MonkeyPatch, only: str, bakes: bool
) -> None:
    told: list[bool] = []

    def diagnose(*_: Any, bakes_here: bool, **__: Any) -> Iterator[Diagnosis]:
        told.append(bakes_here)
        yield Diagnosis("disk", "pass", "5 GiB")

    monkeypatch.setenv("RAYKILN_ONLY", only)
    monkeypatch.setattr("commands.doctor.environment_at", lambda name: an_environment())
    monkeypatch.setattr("commands.doctor.clients_of", lambda environment: None)
    monkeypatch.setattr("deploy.operate.doctor.diagnose", diagnose)
    doctor.body(MockContext(), env="dev")

    assert told == [bakes]
