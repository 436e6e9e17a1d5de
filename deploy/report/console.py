"""What a person sees: live on a terminal, plain and quiet otherwise.

Only commands/ and drills/ print; they do it with this module.
"""

import json
import select
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.status import Status
from rich.table import Table
from rich.text import Text

from common.errors import PipelineError
from common.started import as_started

if TYPE_CHECKING:
    from deploy.operate.status_report import Section, StatusReport

console = Console(highlight=False, soft_wrap=True)
if not console.is_terminal:
    console.width = 200  # no screen: tables are not cut
# Without a terminal, a long step prints its latest words this often.
QUIET_SECONDS = 15.0
LOWEST_PRIORITY = 19  # nice(1)


class LiveSteps:
    """Shows one step after the other: a spinner with the latest words, then the outcome.

    Without a terminal it prints a line every ``QUIET_SECONDS``. Fits common.progress.Progress.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._title = ""
        self._words = ""
        self._said = 0.0
        self._began = 0.0
        self._status: Status | None = None

    def begin(self, title: str) -> None:
        """A step begins."""
        self._title, self._words, self._began = title, "", time.monotonic()
        self._said = self._began
        if console.is_terminal and not self._quiet:
            self._status = console.status(escape(title))
            self._status.start()

    def say(self, words: str) -> None:
        """Show what the step sees now."""
        if words == self._words or self._quiet:
            return
        self._words = words
        if self._status:
            self._status.update(f"{escape(self._title)} [dim]{escape(words)}[/dim]")
        elif time.monotonic() - self._said > QUIET_SECONDS:
            self._said = time.monotonic()
            console.print(f"  {escape(self._title)}: {escape(words)}")

    def end(self, outcome: str = "") -> None:
        """The step is done."""
        self.stop()
        if self._quiet:
            return
        took = f"{time.monotonic() - self._began:.1f} s"
        after = f": {escape(outcome)}" if outcome else ""
        console.print(f"[green]✓[/green] {escape(self._title)}{after} [dim]({took})[/dim]")

    def stop(self) -> None:
        """Remove the spinner, whether or not the step is done."""
        if self._status:
            self._status.stop()
            self._status = None


@contextmanager
def live_steps(quiet: bool = False) -> Iterator[LiveSteps]:
    """Yield a display that is removed however the work ends; ``quiet`` shows nothing."""
    steps = LiveSteps(quiet)
    try:
        yield steps
    finally:
        steps.stop()


class LiveLines:
    """Shows a line for each of several things: its latest words, then its outcome.

    Without a terminal it prints each line every ``QUIET_SECONDS``. Fits common.progress.Lines.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lock = Lock()
        self._words: dict[str, str] = {}
        self._said: dict[str, float] = {}
        self._spinner = Spinner("dots")
        self._live = Live(console=console, transient=True, get_renderable=self._table)
        if console.is_terminal:
            self._live.start()

    def say(self, line: str, words: str) -> None:
        """Show what happens now to the thing of that line."""
        with self._lock:
            now = time.monotonic()
            self._words[line] = words
            if not console.is_terminal and now - self._said.setdefault(line, now) > QUIET_SECONDS:
                self._said[line] = now
                console.print(f"  {escape(line)}: {escape(words)}")

    def end(self, line: str, outcome: str, *, failed: bool = False) -> None:
        """Show how it ended."""
        with self._lock:
            self._words.pop(line, None)
            mark = "[red]✗[/red]" if failed else "[green]✓[/green]"
            took = f"{time.monotonic() - self._began:.1f} s"
            console.print(f"{mark} {escape(line)}: {escape(outcome)} [dim]({took})[/dim]")

    def stop(self) -> None:
        """Remove the lines of what has not ended."""
        if console.is_terminal:
            self._live.stop()

    def _table(self) -> Table:
        sheet = Table.grid(padding=(0, 1))
        for line, words in list(self._words.items()):
            sheet.add_row(self._spinner, escape(line), f"[dim]{escape(words)}[/dim]")
        return sheet


@contextmanager
def live_lines() -> Iterator[LiveLines]:
    """Yield lines that are removed however the work ends."""
    lines = LiveLines()
    try:
        yield lines
    finally:
        lines.stop()


@contextmanager
def step(title: str, quiet: bool = False) -> Iterator[LiveSteps]:
    """Show one piece of work, and how long it took."""
    with live_steps(quiet) as steps:
        steps.begin(title)
        yield steps
        steps.end()


def show_table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows of text under their column names."""
    sheet = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False)
    for row in rows:
        sheet.add_row(*map(escape, row))
    console.print(sheet)


def show_report(report: "StatusReport") -> None:
    """Print a status report, and its problems last."""
    for section in report.sections():
        show_table(section.title, section.columns, section.rows)
    for problem in report.problems:
        console.print(f"[red]![/red] {escape(as_started(problem))}")


def watch(read: Callable[[], "tuple[Section, ...]"], seconds: float = 2.0) -> None:
    """Read and show tables on one screen, again after ``seconds``, until Ctrl-C.

    What does not fit into the terminal's columns is cut, and so is what is below its last line.
    Without a terminal each screen follows the one before.
    """
    if not console.is_terminal:
        while True:
            console.print(one_screen(read()))
            time.sleep(seconds)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(one_screen(read()), refresh=True)
            time.sleep(seconds)


def one_screen(sections: "Sequence[Section]") -> Group:
    """Return tables whose rows are a line each, however narrow the screen is."""
    tables: list[Table | str] = []
    for section in sections:
        table = Table(box=None, pad_edge=False, title=section.title, title_justify="left")
        table.show_header = any(section.columns)
        # The last column has the words that may be long. Only a column that may wrap is made
        # narrower than its cells, so it may, and its cells may not.
        for name in section.columns[:-1]:
            table.add_column(name, no_wrap=True)
        table.add_column(section.columns[-1])
        for *row, last in section.rows:
            table.add_row(*map(escape, row), Text(last, no_wrap=True, overflow="ellipsis"))
        tables += [table, ""]
    return Group(*tables[:-1])


def print_json(data: Any) -> None:
    """Print data as JSON, without markup or wrapping."""
    console.print(json.dumps(data, indent=2), markup=False)


def run_timed(command: list[str]) -> float:
    """Run a command whose output the person sees; return its seconds.

    Raises PipelineError that names its exit code when it fails.
    """
    began = time.monotonic()
    _check_exit(command, subprocess.run(command, check=False).returncode)
    return time.monotonic() - began


@contextmanager
def running_beside(*commands: list[str]) -> Iterator[None]:
    """Run commands meanwhile, at low priority, then print their output.

    One runs at a time, until what they run beside has ended: then those that are left start at
    once, with precedence over the one that runs. Raises PipelineError that names the first that
    fails, and its exit code.
    """
    ended, interrupted = Event(), Event()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        outputs = [Path(folder, str(number)) for number in range(len(commands))]

        def run() -> list[int]:
            running = list[subprocess.Popen[bytes]]()
            for number, command in enumerate(commands):
                if not interrupted.is_set():
                    running.append(_started(command, outputs[number], LOWEST_PRIORITY - 5 * number))
                    while running[-1].poll() is None and not ended.wait(0.2):
                        pass
            return [process.wait() for process in running]

        codes = pool.submit(run)
        try:
            yield
        except KeyboardInterrupt:
            interrupted.set()
            raise
        finally:
            ended.set()
            found = codes.result()
            for output in outputs[: len(found)]:
                print(output.read_text(errors="replace"), flush=True)
    for command, code in zip(commands, found, strict=True):
        _check_exit(command, code)


def _started(command: list[str], output: Path, niceness: int) -> "subprocess.Popen[bytes]":
    with output.open("w") as file:
        nice = ["nice", "-n", str(niceness), *command]
        return subprocess.Popen(nice, stdout=file, stderr=subprocess.STDOUT)


def _check_exit(command: list[str], code: int) -> None:
    if code:
        raise PipelineError(
            f"`{shlex.join(command)}` exited with {code}", hint="see its output above"
        )


def confirm(question: str, seconds: float | None = None) -> bool:
    """Ask. No terminal, no answer within ``seconds``, and any answer but yes mean no."""
    if not console.is_terminal:
        return False
    console.print(f"{question} \\[y/N] ", end="")
    return _line(seconds).strip().lower() in ("y", "yes")


def ask(question: str) -> str:
    """Return what a person types; empty without a terminal."""
    if not console.is_terminal:
        return ""
    console.print(f"{question} ", end="", markup=False)
    return _line(None).strip()


def _line(seconds: float | None) -> str:
    """Return what is typed; empty when the time is up or the input ends."""
    typed, _, _ = select.select([sys.stdin], [], [], seconds)
    if typed:
        return sys.stdin.readline()
    console.print()
    return ""
