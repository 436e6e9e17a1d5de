"""The application's Python and model are made once, and not at all rather than half."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import pytest

from commands import documents_runtime
from common.checkout import REPOSITORY
from common.errors import PipelineError
from common.waiting import Seen, SystemClock, wait_for


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run; ``uv venv`` makes the folder of the venv."""
    commands: list[list[str]] = []

    def run(what: str, command: list[str], *locks: int) -> None:
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

    def slow(what: str, command: list[str], *locks: int) -> None:
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


# Installs with a uv that names its process in a file, and takes a minute.
INSTALLS = """
import sys
from pathlib import Path
from commands import documents_runtime
slow = 'echo $$ >"$0/new"; mv "$0/new" "$0/pid"; exec sleep 60'
documents_runtime._uv = lambda: ["sh", "-c", slow, sys.argv[1]]
documents_runtime.locked_python(Path(sys.argv[1]), (), "Ray")
"""


def test_what_a_killed_command_leaves_running_keeps_others_out(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INSTALLS, str(tmp_path)], cwd=REPOSITORY
    ) as command:
        pid_file = tmp_path / "pid"
        eventually("an install", pid_file.exists)
        command.kill()
    left = int(pid_file.read_text())
    (lock,) = tmp_path.glob("*.lock")
    try:
        assert not is_free(lock)
    finally:
        os.kill(left, signal.SIGKILL)
    eventually("the lock", lambda: is_free(lock))


def eventually(what: str, holds: Callable[[], bool]) -> None:
    def look() -> Seen[bool]:
        return Seen(holds() or None, "not yet")

    wait_for(what, look, clock=SystemClock(), seconds=60, every=0.02)


def is_free(lock: Path) -> bool:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_an_install_that_failed_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(what: str, command: list[str], *locks: int) -> None:
        if "venv" not in command:
            raise PipelineError("no room")
        Path(command[-1]).mkdir(parents=True)

    monkeypatch.setattr(documents_runtime, "_run", run)
    with pytest.raises(PipelineError, match="no room"):
        documents_runtime.runtime_python(tmp_path)

    assert [path.suffix for path in (tmp_path / "documents").iterdir()] == [".lock"]


@pytest.mark.parametrize("make", [documents_runtime.runtime_python, documents_runtime.model_folder])
def test_a_cache_that_is_no_folder_is_named_with_what_to_do(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(PipelineError) as failed:
        make(file)

    assert str(failed.value) == (
        f"the cache cannot be used: {file}/documents: Not a directory\n"
        "  → make room there, or set RAYKILN_CACHE to a folder that can be written"
    )


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
