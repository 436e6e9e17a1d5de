"""The application's Python and model are made once, and not at all rather than half."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import pytest

from commands import documents_runtime
from common.errors import PipelineError


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run; ``uv venv`` makes the folder of the venv."""
    commands: list[list[str]] = []

    def run(what: str, command: list[str]) -> None:
        commands.append(command)
        if "venv" in command:
            Path(command[-1]).mkdir(parents=True)

    monkeypatch.setattr(documents_runtime, "_run", run)
    return commands


def test_the_venv_has_what_the_locks_say_hash_by_hash_and_is_made_once(
    ran: list[list[str]], tmp_path: Path
) -> None:
    python = documents_runtime.runtime_python(tmp_path)

    assert "--require-hashes" in ran[1]
    assert [Path(one).parent.name for one in ran[1] if one.endswith(".lock")] == [
        "documents",
        "model",
        "documents",
    ]
    assert documents_runtime.runtime_python(tmp_path) == python
    link = tmp_path / "a link"
    link.symlink_to(tmp_path)
    assert documents_runtime.runtime_python(link) == python
    assert len(ran) == 2


def test_two_commands_at_once_make_the_venv_once_and_say_so(
    ran: list[list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    both = Barrier(2)
    made = documents_runtime._run

    def slow(what: str, command: list[str]) -> None:
        with suppress(BrokenBarrierError):
            both.wait(0.5)  # until the other one is here too, which it never is
        made(what, command)

    monkeypatch.setattr(documents_runtime, "_run", slow)
    with ThreadPoolExecutor(2) as commands:
        pythons = set(commands.map(documents_runtime.runtime_python, [tmp_path] * 2))

    assert len(pythons) == 1
    assert len(ran) == 2
    what = "the packages of the documents application"
    assert capsys.readouterr().err == f"{what}: installing into the cache, once\n"


def test_a_venv_that_was_interrupted_is_made_anew(ran: list[list[str]], tmp_path: Path) -> None:
    folder = documents_runtime.runtime_python(tmp_path).parents[1]
    (folder / "complete").unlink()
    (folder / "left").touch()

    documents_runtime.runtime_python(tmp_path)

    assert len(ran) == 4
    assert not (folder / "left").exists()


def test_a_change_of_a_lock_is_another_venv(
    ran: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = documents_runtime.runtime_python(tmp_path)
    lock = tmp_path / "changed.lock"
    lock.write_text("changed")
    monkeypatch.setattr(documents_runtime, "LOCKS", (lock,))

    assert documents_runtime.runtime_python(tmp_path) != first


def test_what_fails_says_why() -> None:
    command = ["python3", "-c", "import sys; sys.exit('no such package')"]

    with pytest.raises(PipelineError, match="the model could not be made: no such package"):
        documents_runtime._run("the model", command)
