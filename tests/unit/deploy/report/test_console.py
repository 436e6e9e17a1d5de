"""What a person is asked, and commands that they see run."""

import os
import sys
from collections.abc import Iterator
from io import StringIO

import pytest
from rich.console import Console

from common.errors import PipelineError
from deploy.report import console
from deploy.report.console import confirm


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A terminal; what is written here is what a person types."""
    readable, writable = os.pipe()
    with os.fdopen(readable) as typed:
        monkeypatch.setattr(sys, "stdin", typed)
        monkeypatch.setattr(console, "console", Console(file=StringIO(), force_terminal=True))
        yield writable
        os.close(writable)


@pytest.mark.parametrize("seconds", [None, 5.0])
@pytest.mark.parametrize(
    ("typed", "meant"),
    [("y\n", True), (" YES \n", True), ("\n", False), ("no\n", False), ("yesterday\n", False)],
)
def test_only_a_yes_is_one(keyboard: int, typed: str, meant: bool, seconds: float | None) -> None:
    os.write(keyboard, typed.encode())

    assert confirm("Go ahead?", seconds) is meant


def test_who_does_not_answer_in_time_has_said_no(keyboard: int) -> None:
    assert confirm("Go back?", 0.01) is False


def test_without_a_terminal_no_question_is_asked(
    keyboard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "console", Console(file=StringIO()))
    os.write(keyboard, b"y\n")

    assert confirm("Go ahead?") is False


def test_a_command_runs_beside_at_the_lowest_priority_and_prints_at_the_end(
    capfd: pytest.CaptureFixture[str],
) -> None:
    nice = "import os; print(os.getpriority(os.PRIO_PROCESS, 0))"

    with console.running_beside([sys.executable, "-c", nice]):
        print("meanwhile", flush=True)

    assert capfd.readouterr().out.split() == ["meanwhile", "19"]


def test_a_command_beside_that_fails_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    failing = [sys.executable, "-c", "print('why'); raise SystemExit(3)"]

    with pytest.raises(PipelineError, match="exited with 3"), console.running_beside(failing):
        pass

    assert capfd.readouterr().out == "why\n\n"


def test_a_failure_meanwhile_waits_for_the_command_beside(
    capfd: pytest.CaptureFixture[str],
) -> None:
    slow = [sys.executable, "-c", "import time; time.sleep(0.2); print('done')"]

    with pytest.raises(RuntimeError, match="meanwhile"), console.running_beside(slow):
        raise RuntimeError("meanwhile")

    assert capfd.readouterr().out.split() == ["done"]
