"""What a person is asked, and commands that they see run."""

import os
import sys
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from unittest.mock import Mock

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


LOOK = "import pathlib, sys; print(pathlib.Path(sys.argv[1]).exists())"
# Fails when the file does not come.
AWAIT = """
import pathlib, sys, time
for _ in range(300):
    if pathlib.Path(sys.argv[1]).exists():
        raise SystemExit
    time.sleep(0.1)
raise SystemExit(4)
"""
TOUCH = "import pathlib, sys, time; time.sleep(0.3); pathlib.Path(sys.argv[1]).touch()"


def python(code: str, *arguments: Path) -> list[str]:
    """Return a command that runs Python."""
    return [sys.executable, "-c", code, *map(str, arguments)]


def test_one_command_at_a_time_runs_beside(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"

    with console.running_beside(python(TOUCH, first), python(LOOK, first), python(TOUCH, second)):
        deadline = time.monotonic() + 30
        while not second.exists() and time.monotonic() < deadline:
            time.sleep(0.05)

    assert capfd.readouterr().out.split() == ["True"]


def test_those_left_run_together_once_nothing_runs_beside_them(tmp_path: Path) -> None:
    with console.running_beside(python(AWAIT, tmp_path / "next"), python(TOUCH, tmp_path / "next")):
        pass


def test_the_first_command_beside_that_fails_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    first, failing, last = (
        python(f"print('{words}'); raise SystemExit({code})")
        for words, code in (("one", 0), ("two", 4), ("three", 5))
    )

    with (
        pytest.raises(PipelineError, match=r"two.*exited with 4"),
        console.running_beside(first, failing, last),
    ):
        pass

    assert capfd.readouterr().out.split() == ["one", "two", "three"]


def test_who_interrupts_waits_for_the_command_that_runs_and_for_no_other(
    capfd: pytest.CaptureFixture[str],
) -> None:
    slow = [sys.executable, "-c", "import time; time.sleep(0.5); print('done')"]

    def interrupt() -> None:
        time.sleep(0.2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), console.running_beside(slow, slow):
        interrupt()

    assert capfd.readouterr().out.split() == ["done"]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What is printed where there is no terminal."""
    out = StringIO()
    monkeypatch.setattr(console, "console", Console(file=out, width=200))
    return out


def test_without_a_terminal_each_line_says_its_outcome_and_only_now_and_then_its_words(
    printed: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    with console.live_lines() as lines:
        for now[0], words in ((1.0, "boots"), (5.0, "is built"), (17.0, "is tested")):
            lines.say("head", words)
            lines.say("worker gpu", "waits for its turn")
        now[0] = 20.0
        lines.end("head", "ami-1 [red]")
        lines.end("worker gpu", "10-user.sh failed", failed=True)

    assert printed.getvalue().splitlines() == [
        "  head: is tested",
        "  worker gpu: waits for its turn",
        "✓ head: ami-1 [red] (20.0 s)",
        "✗ worker gpu: 10-user.sh failed (20.0 s)",
    ]


def test_on_a_terminal_every_line_is_shown_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    out = StringIO()
    terminal = Console(file=out, force_terminal=True, width=100, highlight=False)
    monkeypatch.setattr(console, "console", terminal)

    with console.live_lines() as lines:
        lines.say("head", "boots")
        lines.say("worker", "waits")
        lines.end("head", "ami-1")
        shown = StringIO()
        Console(file=shown, width=100).print(lines._table())

    assert "worker waits" in shown.getvalue()
    assert "head" not in shown.getvalue()
    assert "ami-1" in out.getvalue()


def test_a_table_has_its_title_above_its_columns_and_no_frame(printed: StringIO) -> None:
    console.show_table("Heads", ("id", "state"), (("i-1", "[leads]"), ("i-22", "stands by")))

    lines = [line.rstrip() for line in printed.getvalue().splitlines()]
    assert lines == ["Heads", "id    state", "i-1   [leads]", "i-22  stands by"]


def test_data_are_printed_as_json_without_markup_or_wrapping(printed: StringIO) -> None:
    console.print_json({"words": "[red] " + "x" * 20})

    assert printed.getvalue() == '{\n  "words": "[red] xxxxxxxxxxxxxxxxxxxx"\n}\n'


def test_a_step_is_a_line_with_its_outcome_and_its_seconds(printed: StringIO) -> None:
    steps = console.LiveSteps()

    steps.begin("wait for [1] head")
    steps.end("i-1 leads")

    assert printed.getvalue() == "✓ wait for [1] head: i-1 leads (0.0 s)\n"


def test_what_a_long_step_says_is_printed_now_and_then(
    printed: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([100.0, 100.5, 100.0 + console.QUIET_SECONDS + 1, 200.0, 200.0, 200.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    steps = console.LiveSteps()

    steps.begin("wait")
    steps.say("at first")
    steps.say("later")

    assert "at first" not in printed.getvalue()
    assert "later" in printed.getvalue()


def test_a_command_that_fails_is_named_with_its_exit_code() -> None:
    with pytest.raises(PipelineError) as raised:
        console.run_timed([sys.executable, "-c", "raise SystemExit(3)"])

    assert raised.value.message == f"`{sys.executable} -c 'raise SystemExit(3)'` exited with 3"
    assert raised.value.hint == "see its output above"
    assert console.run_timed([sys.executable, "-c", ""]) >= 0


def test_a_report_s_problems_come_last(printed: StringIO) -> None:
    report = Mock(sections=list, problems=("no [leader]",))

    console.show_report(report)

    assert printed.getvalue() == "! no [leader]\n"


def test_what_a_person_types_stands_behind_the_question(keyboard: int) -> None:
    os.write(keyboard, b"name\n")

    assert console.ask("Which one?") == "name"

    shown = console.console.file
    assert isinstance(shown, StringIO)
    assert shown.getvalue() == "Which one? "
