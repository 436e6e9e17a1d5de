"""Mutants that are right to survive: what a test would have to say of them would not be worth it.

``tests/mutants_that_may_survive.toml`` has a table for each file, or pattern of files, of the text
that stands in the changed line, and why the line may be changed. They still count as not noticed.
"""

import subprocess
import sys
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from common.checkout import REPOSITORY

REASONS = REPOSITORY / "tests/mutants_that_may_survive.toml"


@dataclass(frozen=True)
class Reason:
    """Why changes of the lines that hold ``text`` in the files of a pattern may survive."""

    files: str
    text: str
    why: str

    def covers(self, file: str, line: str) -> bool:
        """Say whether it is the reason for a changed line of a file."""
        return fnmatch(file, self.files) and self.text in line


@cache
def reasons() -> tuple[Reason, ...]:
    """Return all reasons."""
    tables = tomllib.loads(REASONS.read_text())
    return tuple(
        Reason(files, text, why) for files, table in tables.items() for text, why in table.items()
    )


def reason_for(name: str, folder: Path) -> str:
    """Return why a mutant of a copy may survive; empty when nothing says so."""
    shown = subprocess.run(
        [sys.executable, "-m", "mutmut", "show", name],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    file, lines = changed(shown)
    found = (one.why for one in reasons() if any(one.covers(file, line) for line in lines))
    return next(found, "")


def changed(shown: str) -> tuple[str, list[str]]:
    """Return the file and the lines as they were, of what ``mutmut show`` prints: a diff."""
    removed = [line[1:] for line in shown.splitlines() if line.startswith("-")]
    return removed[0].removeprefix("-- "), removed[1:]
