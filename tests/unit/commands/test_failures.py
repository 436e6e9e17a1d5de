"""What a person reads when a command fails: never a traceback."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from invoke.exceptions import Exit

from commands.failures import plain_errors
from common.errors import PipelineError, Refused, RolledBack


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands write to; nothing exists in it yet."""
    monkeypatch.setenv("RAYKILN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def exit_of(fail: Callable[[], object]) -> Exit:
    """Return how a command that fails in this way ends."""
    with pytest.raises(Exit) as ended, plain_errors():
        fail()
    return ended.value


def raising(error: BaseException) -> Callable[[], object]:
    """Return a function that raises the error."""

    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PipelineError("it broke", hint="fix it"), 2),
        (Refused("it broke", hint="fix it"), 1),
        (RolledBack("it broke", hint="fix it"), 3),
    ],
)
def test_an_expected_error_is_its_message_its_hint_and_its_exit_code(
    home: Path, error: PipelineError, code: int
) -> None:
    ended = exit_of(raising(error))

    assert (ended.message, ended.code) == ("it broke\n  → fix it", code)
    assert not home.exists()


def test_an_interrupt_is_exit_code_130_and_no_bug(home: Path) -> None:
    ended = exit_of(raising(KeyboardInterrupt()))

    assert ended.code == 130
    assert not home.exists()


def test_an_exit_passes_as_it_is() -> None:
    ended = exit_of(raising(Exit("", 2)))

    assert (ended.message, ended.code) == ("", 2)


def test_an_unexpected_error_is_a_line_and_a_file_with_the_trace(home: Path) -> None:
    ended = exit_of(lambda: {"a": 1}["b"])

    (trace,) = (home / "errors").iterdir()
    line, hint = str(ended.message).splitlines()
    assert line == f"this is a bug: KeyError: 'b'; the full trace: {trace}"
    assert hint == "  → report it with that file"
    assert ended.code == 2
    assert "Traceback (most recent call last)" in trace.read_text()
    assert "KeyError: 'b'" in trace.read_text()


def test_a_message_of_many_lines_is_one_line() -> None:
    ended = exit_of(raising(RuntimeError("one\n  two\n")))

    assert str(ended.message).startswith("this is a bug: RuntimeError: one two; ")


def test_the_trace_holds_no_variables_and_only_its_owner_reads_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "open sesame")

    def fail() -> None:
        token = "hunter" + "2"
        raise RuntimeError(len(token))

    exit_of(fail)

    (trace,) = (home / "errors").iterdir()
    assert "open sesame" not in trace.read_text()
    assert "hunter2" not in trace.read_text()
    assert trace.stat().st_mode & 0o777 == 0o600


def test_a_message_that_is_no_text_is_kept_too(home: Path) -> None:
    exit_of(raising(RuntimeError("\udc80")))

    (trace,) = (home / "errors").iterdir()
    assert "\\udc80" in trace.read_text()


def test_two_errors_in_the_same_second_are_both_kept(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.strftime", lambda form, at: "same.txt")

    exit_of(raising(RuntimeError("first")))
    exit_of(raising(RuntimeError("second")))

    kept = (home / "errors" / "same.txt").read_text()
    assert "first" in kept
    assert "second" in kept


def test_a_trace_that_cannot_be_written_does_not_hide_the_error(home: Path) -> None:
    home.write_text("a file in its place")

    ended = exit_of(raising(RuntimeError("broken")))

    line, hint = str(ended.message).splitlines()
    assert line.startswith(
        "this is a bug: RuntimeError: broken; the full trace could not be written: "
    )
    assert "RAYKILN_HOME" in hint
    assert ended.code == 2


def test_a_package_that_is_not_installed_is_named_with_what_installs_it(home: Path) -> None:
    ended = exit_of(lambda: import_module("no_such_package.part"))

    assert str(ended.message).startswith(
        "no_such_package cannot be imported: "
        "ModuleNotFoundError: No module named 'no_such_package'; the full trace: "
    )
    assert str(ended.message).splitlines()[-1] == (
        "  → ./run.sh installs what is missing; if that does not help, delete .venv and run it "
        "again"
    )
    assert ended.code == 2


def test_a_missing_module_of_this_project_is_a_bug() -> None:
    ended = exit_of(lambda: import_module("common.no_such_module"))

    assert str(ended.message).startswith("this is a bug: ModuleNotFoundError: ")
