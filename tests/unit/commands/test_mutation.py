"""Mutants: which are tried, with which tests, and what is said of them."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from commands import mutation
from commands.mutation import (
    ROOMS,
    UNCHANGED,
    Verdicts,
    chosen,
    settings,
    show,
    try_room,
    verdicts,
)
from common.checkout import REPOSITORY, home
from common.errors import PipelineError, Refused

LISTED = """
    deploy.plan.roll.x_batches__mutmut_1: killed
    deploy.plan.roll.x_batches__mutmut_2: survived
    deploy.plan.roll.x_batches__mutmut_3: no tests
    deploy.plan.roll.x_batches__mutmut_4: timeout
    deploy.plan.roll.x_batches__mutmut_5: not checked
    deploy.plan.roll.x_batches__mutmut_6: caught by type check
"""


def test_a_mutant_is_noticed_by_its_types_or_when_a_test_fails_or_never_ends() -> None:
    found = verdicts("deploy/plan", LISTED, Path("copy"))

    assert found.unnoticed == (
        "deploy.plan.roll.x_batches__mutmut_2",
        "deploy.plan.roll.x_batches__mutmut_3",
    )
    assert found.in_words == "3 of 5 mutants noticed (60 %; 1 by their types, 2 by tests)"


def test_what_is_not_noticed_is_named_in_full_unless_it_may_survive(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "deploy.foundation.stack_changes." + "x_a_long_name" * 10 + "__mutmut_7"
    reasons = {"one": "for a reason", "two": "for a reason", name: ""}
    monkeypatch.setattr(mutation, "reason_for", lambda one, folder: reasons[one])

    show(Verdicts("deploy/foundation", 0, 1, tuple(reasons), Path("copy")))

    assert capsys.readouterr().out == (
        "deploy/foundation: 1 of 4 mutants noticed (25 %; 0 by their types, 1 by tests)\n"
        "  2 may survive: for a reason\n"
        "  1 of the 2 others (50 %)\n"
        f"not noticed:\n  {name}\n"
        "  → in copy: python -m mutmut show NAME\n"
    )


def test_a_room_is_changed_alone_and_its_own_tests_are_run() -> None:
    entries = ["bake", "deploy", "pyproject.toml", "tests", "tasks.py"]
    text = settings("deploy/plan", "73", entries)

    assert tomllib.loads(text)["tool"]["mutmut"] == {
        "use_git_change_detection": False,
        "track_dependencies": False,
        "source_paths": ["deploy"],
        "only_mutate": ["deploy/plan/*"],
        "do_not_mutate": [*UNCHANGED],
        "type_check_command": [
            *(sys.executable, "-m", "commands.mutant_types", "73", "deploy/plan"),
            *("mypy", "--no-warn-unused-ignores", "--output", "json"),
            *("--cache-dir", f"{home()}/mutants/types"),
        ],
        "timeout_constant": 3.0,
        "also_copy": ["bake", "tasks.py"],
        "pytest_add_cli_args": [
            *("-p", "no:cacheprovider", "-m", "not slow and not thorough and not machines")
        ],
        "pytest_add_cli_args_test_selection": ["tests/unit/deploy/plan"],
    }


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_and_its_tests_exist(room: str) -> None:
    assert (REPOSITORY / room).is_dir()
    assert [place for place in ROOMS[room].split() if not (REPOSITORY / place).is_dir()] == []


def test_every_file_that_is_not_changed_exists() -> None:
    assert [name for name in UNCHANGED if not (REPOSITORY / name).is_file()] == []


def test_an_unknown_room_or_share_is_refused() -> None:
    with pytest.raises(Refused, match="there is no room documents"):
        chosen("documents")
    with pytest.raises(Refused, match="11 tenths cannot be tried"):
        try_room("node", 11, 1)
    assert chosen("bake") == ("bake",)
    assert set(chosen("")) >= {"node", "bake", "deploy/plan"}


def test_a_tenth_is_tried_in_a_copy_and_no_file_of_the_checkout_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[list[str], Path]] = []

    def run(command: list[str], cwd: Path, **_: object) -> "subprocess.CompletedProcess[str]":
        ran.append((command, cwd))
        return subprocess.CompletedProcess(command, 0, LISTED, "")

    monkeypatch.setattr(mutation, "home", lambda: tmp_path)
    monkeypatch.setattr(mutation, "_files", lambda: iter(["pyproject.toml", "bake/digest.py"]))
    monkeypatch.setattr(subprocess, "run", run)

    found = try_room("bake", 2, 5)

    assert found.folder == tmp_path / "mutants/bake"
    assert (found.folder / "bake/digest.py").exists()
    assert "[tool.mutmut]" in (found.folder / "pyproject.toml").read_text()
    assert "[tool.mutmut]" not in (REPOSITORY / "pyproject.toml").read_text()
    assert {cwd for _, cwd in ran} == {found.folder}
    assert ran[0][0][:3] == ["timeout", "--kill-after=10", "300"]
    assert ran[0][0][-2:] == ["*__mutmut_*7", "*__mutmut_*3"]


def test_a_room_of_which_nothing_was_tried_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(mutation, "copy_for", lambda room, digits, folder: tmp_path)
    monkeypatch.setattr(subprocess, "run", run)

    with pytest.raises(PipelineError, match="no mutant of bake was tried: its tests fail"):
        try_room("bake", 1, 1)
