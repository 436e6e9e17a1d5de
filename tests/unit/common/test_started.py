"""A hint names the command as a person starts it."""

import sys

import pytest

from common.checkout import REPOSITORY
from common.started import as_started

HINT = "`invoke images` lists them (invoke lock); then invoke images.promote --to prod"


def test_by_run_sh_commands_are_those_of_run_sh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(REPOSITORY / "commands/__main__.py"), "deploy"])

    assert as_started(HINT) == (
        "`./run.sh images` lists them (./run.sh lock); then ./run.sh images.promote --to prod"
    )
    assert as_started("invoke job.submit -- invoke x") == "./run.sh job.submit -- invoke x"
    assert as_started("see what others say of invoke.") == "see what others say of invoke."


@pytest.mark.parametrize("program", ["/usr/bin/invoke", str(REPOSITORY / ".venv/bin/invoke")])
def test_by_invoke_they_are_invoke_s(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(sys, "argv", [program, "deploy"])

    assert as_started(HINT) == HINT
