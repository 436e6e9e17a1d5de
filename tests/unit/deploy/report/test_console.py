"""Questions: only a yes is one."""

import os
import sys
from collections.abc import Iterator
from io import StringIO

import pytest
from rich.console import Console

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
