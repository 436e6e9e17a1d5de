"""Keep what was decided, for whoever wants to know what a role needs: no behaviour of AWS.

``decisions()`` collects in this process; a server appends to the file that ``follow`` names, while
that file exists: a line each of principal, action, resource, and allowed or denied.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localcloud.patches.iam.policies import Check


@dataclass(frozen=True)
class Decision:
    """Whether one principal may do one thing."""

    principal: str
    check: Check
    allowed: bool


_collected: list[list[Decision]] = []
_file: list[Path] = []


@contextmanager
def decisions() -> Iterator[list[Decision]]:
    """Collect what is decided inside."""
    found: list[Decision] = []
    _collected.append(found)
    try:
        yield found
    finally:
        _collected.remove(found)


def follow(path: Path) -> None:
    """Append to this file from now on, while it exists."""
    _file[:] = [path]


def note(principal: str, check: Check, *, allowed: bool) -> None:
    """Keep one decision where somebody wants it."""
    for found in _collected:
        found.append(Decision(principal, check, allowed))
    for path in _file:
        if path.exists():
            with path.open("a") as lines:
                words = "allowed" if allowed else "denied"
                lines.write(f"{principal} {check.action} {check.resource} {words}\n")
