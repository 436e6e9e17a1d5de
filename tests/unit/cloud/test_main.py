"""What a run in an account says and asks before, and that it is deleted whatever happens."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from common.waiting import Seen, SystemClock, wait_for
from tests.cloud import __main__ as command
from tests.cloud.suite_run import SuiteRun
from tests.marks import THOROUGH_ONLY


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What was done, in order; neither tests nor AWS's calls are made."""
    happened: list[str] = []

    def tested(run: SuiteRun, env: str) -> int:
        happened.append(f"tested {len(run.id)}")
        return 0

    def swept(run: SuiteRun, *_: object, **__: object) -> tuple[str, ...]:
        happened.append(f"swept {len(run.id)}")
        return ()

    monkeypatch.setattr(command, "tested", tested)
    monkeypatch.setattr(command, "sweep", swept)
    monkeypatch.setattr(command, "check_credentials", lambda *_: happened.append("looked"))
    return happened


@pytest.fixture
def aws(tmp_path: Path) -> str:
    """An environment on AWS, which tests may be pointed at."""
    text = Path("environments/examples/smallest.toml").read_text()
    (tmp_path / "try.toml").write_text(text.replace("FILL-IN: 12 digits", "123456789012"))
    return str(tmp_path / "try")


def test_without_a_yes_it_says_what_it_would_create_and_cost_and_creates_nothing(
    done: list[str], aws: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--env", aws]) == 1

    said = capsys.readouterr()
    assert done == ["looked"]
    assert "This creates in the account 123456789012, us-east-1, and deletes again:" in said.out
    assert "2 t3.medium, 3 t3.large, 2 m6i.large" in said.out
    assert "Nothing was changed" in said.err


def test_all_is_deleted_after_the_tests(done: list[str], aws: str) -> None:
    assert command.main(["--env", aws, "--yes"]) == 0
    assert done == ["looked", "tested 6", "swept 6"]


def test_all_is_deleted_when_a_bug_ends_the_tests(
    done: list[str], aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tested(*_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(command, "tested", tested)

    with pytest.raises(ZeroDivisionError):
        command.main(["--env", aws, "--yes"])
    assert done == ["looked", "swept 6"]


# In place of pytest: ends as it does when it is interrupted, and ignores a second one.
INTERRUPTED = """
import os, pathlib, signal, sys, time
try:
    pathlib.Path(sys.argv[1]).touch()
    while True:
        time.sleep(0.1)  # pause(2) would wait for another signal than one just before it
except KeyboardInterrupt:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(2)
"""


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=THOROUGH_ONLY),
        signal.SIGTERM,
        pytest.param(signal.SIGHUP, marks=THOROUGH_ONLY),
    ],
)
def test_an_interrupted_run_interrupts_its_tests_and_then_deletes_all(
    aws: str, tmp_path: Path, number: signal.Signals
) -> None:
    ready = tmp_path / "ready"
    fake = [sys.executable, "-c", INTERRUPTED, str(ready)]
    with subprocess.Popen(
        [sys.executable, "-c", RUN, repr(fake), aws], stdout=subprocess.PIPE, text=True
    ) as process:
        wait_for_file(ready)
        process.send_signal(number)
        said, _ = process.communicate(timeout=240)

    assert process.returncode == 2
    assert said.splitlines()[-1] == "swept"


# The command, with all that would call AWS taken out, and another program for pytest.
RUN = """
import ast, sys
from tests.cloud import __main__ as command
command.check_credentials = lambda *_: None
command.pytest_command = lambda: ast.literal_eval(sys.argv[1])
command.delete_all = lambda *_: print("swept") or 0
sys.exit(command.main(["--env", sys.argv[2], "--yes"]))
"""


def wait_for_file(path: Path) -> None:
    def look() -> Seen[bool]:
        return Seen(path.exists() or None, "not there")

    wait_for("the tests", look, clock=SystemClock(), seconds=240.0, every=0.05)


def test_tests_that_fail_or_something_that_is_left_fail_the_run(
    done: list[str],
    aws: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "tested", lambda *_: 1)
    assert command.main(["--env", aws, "--yes"]) == 1

    monkeypatch.setattr(command, "tested", lambda *_: 0)
    monkeypatch.setattr(command, "sweep", lambda *_, **__: ("volume vol-1",))
    assert command.main(["--env", aws, "--yes"]) == 2
    said = capsys.readouterr().out
    assert "left: volume vol-1\n" in said
    assert f"./run.sh test --only cloud --env {aws} --sweep " in said


@pytest.mark.parametrize("wrong", ["prod", "3fa9c", "3FA9C1", "../x"])
def test_nothing_but_a_run_is_swept(done: list[str], aws: str, wrong: str) -> None:
    assert command.main(["--env", aws, "--sweep", wrong, "--yes"]) == 1
    assert done == []


def test_a_run_that_was_killed_is_swept_by_its_id_once_a_person_agrees(
    done: list[str], aws: str
) -> None:
    assert command.main(["--env", aws, "--sweep", "3fa9c1"]) == 1
    assert done == []
    assert command.main(["--env", aws, "--sweep", "3fa9c1", "--yes"]) == 0
    assert done == ["swept 6"]


def test_the_local_cloud_is_not_asked_about(done: list[str]) -> None:
    assert command.main(["--env", "local"]) == 0
    assert done == ["tested 6"]
