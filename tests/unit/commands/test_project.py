"""The tasks that run the tests: which tests each of them runs."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from commands import documents_runtime, project
from deploy.report import console


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that a task runs, which are not run here."""
    ran: list[list[str]] = []

    def run_timed(command: list[str]) -> float:
        ran.append(command)
        return 0.0

    @contextmanager
    def running_beside(*commands: list[str]) -> Iterator[None]:
        ran.extend(commands)
        yield

    monkeypatch.setattr(console, "run_timed", run_timed)
    monkeypatch.setattr(console, "running_beside", running_beside)
    monkeypatch.setattr(documents_runtime, "runtime_python", lambda cache: Path("its-python"))
    monkeypatch.setattr(documents_runtime, "model_folder", lambda cache: Path("model"))
    monkeypatch.delenv("RAYKILN_THOROUGH", raising=False)
    return ran


def test_test_runs_every_folder_and_leaves_no_test_out(commands: list[list[str]]) -> None:
    project.test(Context())

    words = " ".join(word for command in commands for word in command).split()
    assert [word for word in words if word.startswith("tests/")] == [
        "tests/lint",
        "tests/unit",
        "tests/documents",
        "tests/cloud",
    ]
    assert not any({"-m", "-k"} & set(command[3:]) for command in commands)


@pytest.mark.parametrize(
    ("only", "python"),
    [("tests/documents/test_quality.py -x", "its-python"), ("tests/unit -x", sys.executable)],
)
def test_tests_of_documents_run_in_the_applications_own_python(
    commands: list[list[str]], only: str, python: str
) -> None:
    project.test(Context(), only)

    (command,) = commands
    assert (command[0], command[-2:]) == (python, only.split())


def test_check_runs_the_linters_and_what_has_no_mark(commands: list[list[str]]) -> None:
    project.check(Context())

    (command,) = commands
    assert command[-4:] == [
        *("-m", "not slow and not thorough and not machines"),
        *("tests/lint", "tests/unit"),
    ]


@pytest.mark.parametrize(("given", "expected"), [(None, "1"), ("all", "all")])
def test_thorough_runs_the_marked_tests_at_full_size(
    commands: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    given: str | None,
    expected: str,
) -> None:
    if given:
        monkeypatch.setenv("RAYKILN_THOROUGH", given)
    else:  # known to monkeypatch, so that it is unset again
        monkeypatch.setenv("RAYKILN_THOROUGH", "")
        monkeypatch.delenv("RAYKILN_THOROUGH")

    project.thorough(Context())

    (command,) = commands
    assert command[-3:] == ["-m", "thorough", "tests/unit"]
    assert os.environ["RAYKILN_THOROUGH"] == expected


def test_thorough_keeps_the_tests_of_a_file_on_machines_together(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYKILN_THOROUGH", "1")

    project.thorough(Context(), "tests/cloud")

    (command,) = commands
    assert "--dist=loadfile" in command
    assert command[-3:] == ["-m", "thorough", "tests/cloud"]


def test_only_tests_on_machines_are_pointed_at_an_account() -> None:
    for only in ("", "tests/unit", "cloud -x"):
        with pytest.raises(Exit, match="only the tests of tests/cloud") as refused:
            project.test(Context(), only, env="prod")
        assert refused.value.code == 1


@pytest.mark.parametrize(
    ("sweep", "yes", "option", "hint"),
    [
        ("3fa9c1", False, "--sweep", "--sweep 3fa9c1"),
        ("", True, "--yes", "--yes"),
        ("3fa9c1", True, "--sweep", "--sweep 3fa9c1 --yes"),
    ],
)
def test_what_is_about_an_account_runs_nothing_without_one(
    commands: list[list[str]], sweep: str, yes: bool, option: str, hint: str
) -> None:
    with pytest.raises(Exit) as refused:
        project.test(Context(), sweep=sweep, yes=yes)

    assert refused.value.code == 1
    assert refused.value.message == (
        f"{option} is about an environment's account, and --env names none\n"
        f"  → ./run.sh test --only cloud --env NAME {hint}"
    )
    assert commands == []


@pytest.mark.parametrize("code", [0, 2])
def test_the_account_the_answer_and_the_sweep_are_passed_on(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    ran: list[list[str]] = []

    def patiently(command: list[str]) -> int:
        ran.append(command[1:])
        return code

    monkeypatch.setattr(project, "patiently", patiently)
    with pytest.raises(Exit) if code else nullcontext():
        project.test(Context(), "cloud", env="prod", sweep="3fa9c1", yes=True)

    assert ran == [["-m", "tests.cloud", "--env", "prod", "--sweep", "3fa9c1", "--yes"]]
