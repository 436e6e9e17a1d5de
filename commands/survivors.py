"""Mutants that are right to survive: what a test would have to say of them would not be worth it.

``tests/mutants_that_may_survive.toml`` has a table for each file, or pattern of files: text that
stands in the changed line, "def NAME(" for all of a function, or "" for all of a file, and why it
may be changed. They count as not noticed in the first share that is printed, not in the second.
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
    """Why changes of a function, or of the lines with a text, may survive in these files."""

    files: str
    text: str
    why: str

    def covers(self, function: str, lines: list[str]) -> bool:
        """Say whether it is the reason for changed lines of a function."""
        return self.text == f"def {function}(" or any(self.text in line for line in lines)


@cache
def reasons() -> tuple[Reason, ...]:
    """Return all reasons."""
    tables = tomllib.loads(REASONS.read_text())
    return tuple(
        Reason(files, text, why) for files, table in tables.items() for text, why in table.items()
    )


def reason_for(name: str, folder: Path) -> str:
    """Return why a mutant of a copy may survive; empty when nothing says so."""
    file = file_of(name)
    possible = [one for one in reasons() if fnmatch(file, one.files)]
    if not possible:
        return ""
    shown = subprocess.run(
        [sys.executable, "-m", "mutmut", "show", name],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = changed(shown)
    return next((one.why for one in possible if one.covers(function(name), lines)), "")


def changed(shown: str) -> list[str]:
    """Return the lines as they were, of what ``mutmut show`` prints: a diff."""
    lines = shown.splitlines()
    return [line[1:] for line in lines if line.startswith("-") and not line.startswith("---")]


def file_of(name: str) -> str:
    """Return the file of a mutant: a/b.py of a.b.x_make__mutmut_1."""
    return name.rpartition(".")[0].replace(".", "/") + ".py"


def function(name: str) -> str:
    """Return the function of a mutant: a.b.x_make__mutmut_1, or a.b.xǁThingǁmake__mutmut_1."""
    mangled = name.rpartition(".")[2].partition("__mutmut_")[0]
    return mangled.rpartition("ǁ")[2] if "ǁ" in mangled else mangled.removeprefix("x_")
