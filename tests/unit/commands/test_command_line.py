"""Words after a task that takes files are its files, and help is help wherever it is asked for."""

import os
import subprocess
import sys
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import pytest
from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import ParseError
from invoke.program import Program
from invoke.tasks import task

from commands.__main__ import Menu
from commands.command_line import as_options, help_wanted
from tasks import namespace

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("typed", "parsed"),
    [
        ("documents.add a.pdf b/", "documents.add --file a.pdf --file b/"),
        ("documents.add a.pdf --env prod b", "documents.add --file a.pdf --env prod --file b"),
        ("documents.add -e prod a --no-wait", "documents.add -e prod --file a --no-wait"),
        ("documents.add --no-wait a", "documents.add --no-wait --file a"),
        ("documents.add --env=prod a", "documents.add --env=prod --file a"),
        ("documents.add --file a b", "documents.add --file a --file b"),
        ("documents.add status probe", "documents.add --file status --file probe"),
        ("documents.retry a.pdf", "documents.retry --name a.pdf"),
        ("documents.retry --all", "documents.retry --all"),
        ("images.compare ami-1 ami-2", "images.compare --ami ami-1 --ami ami-2"),
        ("images.compare --env prod --strict", "images.compare --env prod --strict"),
        ("probe dry_run --yes", "probe --name dry_run --yes"),
        ("head.shell --id documents.add", "head.shell --id documents.add"),
        ("documents.ask probe --env prod", "documents.ask probe --env prod"),
        ("deploy --env prod status", "deploy --env prod status"),
        ("documents.ask -e prod -5", "documents.ask -e prod -5"),
        ("job", "job"),
        ("drill --list", "drill --list"),
    ],
)
def test_words_are_options(typed: str, parsed: str) -> None:
    assert " ".join(as_options(typed.split(), namespace)) == parsed


@pytest.mark.parametrize("option", ["--josn", "--josn=1", "-x", "--echo", "--list"])
@pytest.mark.parametrize("task", ["documents.ask", "job.stop --env prod", "diff OLD"])
def test_an_option_that_a_task_has_not_is_no_argument_of_it(task: str, option: str) -> None:
    with pytest.raises(ParseError, match=f"{task.split()[0]} has no option {option}"):
        as_options([*task.split(), option], namespace)


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("documents.ask --help", "documents.ask"),
        ("documents.ask status -h", "documents.ask"),
        ("documents.add a.pdf --help", "documents.add"),
        ("diff OLD --help", "diff"),
        ("diff --old OLD NEW status --help", "status"),
        ("diff --old=OLD NEW status --help", "status"),
        ("drill --help", "drill"),
        ("documents.add --no-wait --help", "documents.add"),
        ("deploy --env --help", "deploy"),
        ("bake deploy --yes -h status", "deploy"),
        ("drill --list", ""),
        ("diff --josn --help", "diff"),
        ("deploy --env prod", ""),
        ("nonsense --help", ""),
    ],
)
def test_help_is_wanted_of_the_task_that_it_follows(typed: str, wanted: str) -> None:
    assert help_wanted(typed.split(), namespace) == wanted


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("name", namespace.task_names)
def test_help_after_a_task_never_runs_it(
    name: str,
    flag: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def execute(program: Program) -> None:
        raise AssertionError(f"{name} runs")

    monkeypatch.setattr(Program, "execute", execute)
    # invoke takes the help out of the tasks that it shows.
    menu = Menu(binary="./run.sh", namespace=deepcopy(namespace))

    with pytest.raises(SystemExit) as ended:
        menu.run(["invoke", name, flag])

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"Usage: ./run.sh [--core-opts] {name} ")


def run(
    program: str, typed: str, environment: Mapping[str, str] = os.environ
) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", program, *typed.split()]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_plain_invoke_shows_help_too() -> None:
    done = run("invoke", "documents.ask --help")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: inv[oke] [--core-opts] documents.ask [--options]")


def test_plain_invoke_takes_any_number_of_words_too() -> None:
    done = run("invoke", "documents.add a.pdf b/ --env nonsense")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("there is no environment 'nonsense'")


@pytest.mark.parametrize("program", ["commands", "invoke"])
def test_what_the_encoding_lacks_is_escaped(program: str) -> None:
    done = run(program, "documents.add --help", os.environ | {"PYTHONIOENCODING": "ascii"})

    assert (done.returncode, done.stderr) == (0, "")
    assert "Add documents: FILE FOLDER s3://\\u2026; show each one's way" in done.stdout


@pytest.mark.parametrize(("program", "typed"), [("commands", "./run.sh"), ("invoke", "invoke")])
def test_hints_name_commands_as_they_are_started(program: str, typed: str) -> None:
    done = run(program, "prices")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"no region is named\n  → {typed} prices --region eu-west-1\n"


@task(iterable=["file"], help={"file": "a file"})
def add(c: Context, file: list[str]) -> None:
    """A task of the same name."""


def test_help_is_still_there_after_it() -> None:
    as_options(["documents.add", "a"], Collection(documents=Collection(add)))

    assert add.help == {"file": "a file"}
