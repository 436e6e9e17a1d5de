"""A command as a person sees it: on a terminal of 100 columns, its questions answered with yes."""

import re
import select
import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from localcloud.terminal import Terminal

COLUMNS, ROWS = 100, 40
LONGEST_SECONDS = 1800.0  # of one command, on however slow a machine
QUESTION = "[y/N] "
# Colours, and what moves the cursor: ECMA-48, control sequences.
CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
ENDED = re.compile(r"\nended: (\d+)\n$")


@dataclass(frozen=True)
class Ran:
    """What a command printed, and its exit code."""

    printed: str
    code: int


def run_on_terminal(command: str, folder: Path) -> Ran:
    """Run a line of a shell in a folder until it has ended."""
    script = f"cd {shlex.quote(str(folder))}\n{command}\nprintf '\\nended: %s\\n' $?"
    terminal = Terminal(["bash", "-c", script])
    terminal.resize(COLUMNS, ROWS)
    try:
        return _watched(terminal)
    finally:
        terminal.close()


def _watched(terminal: Terminal) -> Ran:
    printed, answered, deadline = "", 0, time.monotonic() + LONGEST_SECONDS
    while True:
        assert time.monotonic() < deadline, printed[-4000:]
        if not select.select([terminal], [], [], 1.0)[0]:
            continue
        if not (piece := terminal.read()):
            break
        printed += piece.decode(errors="replace")
        if printed.count(QUESTION) > answered:
            answered += 1
            terminal.write(b"y\n")
    plain = CONTROL.sub("", printed).replace("\r", "")
    ended = ENDED.search(plain)
    assert ended, plain[-4000:]
    return Ran(plain[: ended.start()], int(ended[1]))
