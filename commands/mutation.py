"""Mutants: the code is changed in small ways, one at a time; which of them does no test notice?

mutmut (mutmut.readthedocs.io) makes them in copies of the checkout. A mutant that no test reaches
is not noticed. One whose types do not hold is noticed by mypy, which is one of the linters' tests.
For any other, those of a room's own tests are run that reach the changed function. A share of all
is tried, the same each time, and for so many minutes a room, so that all rooms together end in an
hour.
"""

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from commands.survivors import reason_for
from common.checkout import REPOSITORY, home
from common.errors import PipelineError, Refused

# Each room, and the tests that should notice.
ROOMS = {
    "node": "tests/unit/node",
    "bake": "tests/unit/bake",
    "deploy/cluster": "tests/unit/deploy/cluster tests/unit/deploy/plan",
    "deploy/foundation": "tests/unit/deploy/foundation",
    "deploy/plan": "tests/unit/deploy/plan",
    "deploy/release": "tests/unit/deploy/release",
    "deploy/report": "tests/unit/deploy/report",
}
# Each copy is new: mutmut need not find out what an earlier run of it leaves valid.
NO_HISTORY = ("use_git_change_detection = false", "track_dependencies = false")
UNCHANGED = (
    # Read as text, which mutmut makes many times longer: a test has the first import nothing, and
    # the second is sent in the body of a template, of 51,200 bytes at most.
    "node/contract.py",
    "deploy/foundation/remediation.py",
    # Import Ray or grpcio, which only images have: tests/cloud boots them.
    "node/head/main.py",
    "node/ray/grpc_gcs.py",
    "node/ray/launcher.py",
    "node/worker/main.py",
    "node/worker/watchdog_main.py",
)
# mutmut's own lines in each file have marks that mypy does not need.
TYPES = ("mypy", "--no-warn-unused-ignores", "--output", "json")
# Seconds that a mutant's tests may take, added to what they take by themselves before mutmut
# multiplies it with 15. One that takes longer counts as noticed, and a busy machine is slow.
PATIENCE = 3.0
QUICK = "not slow and not thorough and not machines"
# Mutants of a function are numbered; which last digit counts first, for a share in tenths.
DIGITS = "7304958261"
# mutmut's words: its types do not hold; a test failed, or never ended; none failed, or none reaches
# the function.
BY_TYPES, BY_TESTS = "caught by type check", ("killed", "timeout")
UNNOTICED = ("survived", "no tests")


@dataclass(frozen=True)
class Verdicts:
    """What became of a room's mutants that were tried; ``folder`` has them for ``mutmut show``."""

    room: str
    by_types: int
    by_tests: int
    unnoticed: tuple[str, ...]
    folder: Path

    @property
    def noticed(self) -> int:
        """How many were noticed, by their types or by a test."""
        return self.by_types + self.by_tests

    @property
    def tried(self) -> int:
        """How many were noticed or not; not those for which there was no time."""
        return self.noticed + len(self.unnoticed)

    @property
    def in_words(self) -> str:
        """How many were noticed, which share, and by what."""
        share = 100 * self.noticed // self.tried
        how = f"{self.by_types} by their types, {self.by_tests} by tests"
        return f"{self.noticed} of {self.tried} mutants noticed ({share} %; {how})"


def chosen(room: str) -> tuple[str, ...]:
    """Return the rooms to try: all of them, or the one that is named. Raises Refused."""
    if room and room not in ROOMS:
        raise Refused(f"there is no room {room}", hint=f"one of: {', '.join(ROOMS)}")
    return (room,) if room else tuple(ROOMS)


def try_room(room: str, tenths: int, minutes: float) -> Verdicts:
    """Try a share of a room's mutants, for so many minutes at most.

    Raises PipelineError when none was tried, as the room's tests fail without any change.
    """
    if not 1 <= tenths <= len(DIGITS):
        raise Refused(f"{tenths} tenths cannot be tried", hint="from 1 to 10")
    digits = DIGITS[:tenths]
    folder = copy_for(room, digits, home() / "mutants" / room.replace("/", "-"))
    names = [f"*__mutmut_*{digit}" for digit in digits]
    log = folder / "mutmut.log"
    with log.open("w") as output:
        _within(minutes, [sys.executable, "-m", "mutmut", "run", *names], folder, output)
    listed = subprocess.run(
        [sys.executable, "-m", "mutmut", "results", "--all", "true"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    found = verdicts(room, listed, folder)
    if not found.tried:
        raise PipelineError(
            f"no mutant of {room} was tried: its tests fail as they are, or take too long",
            hint=f"see {log}; or give it more --minutes",
        )
    return found


def show(found: Verdicts) -> None:
    """Print how many mutants of a room were noticed, and name those that were not.

    Those that may survive are only counted, by the reason, and left out of a second share.
    """
    from deploy.report.console import console

    reasons = {name: reason_for(name, found.folder) for name in found.unnoticed}
    console.print(f"{found.room}: {found.in_words}", soft_wrap=True)
    for why, count in Counter(filter(None, reasons.values())).most_common():
        console.print(f"  {count} may survive: {why}", soft_wrap=True)
    if others := found.tried - sum(map(bool, reasons.values())):
        console.print(
            f"  {found.noticed} of the {others} others ({100 * found.noticed // others} %)"
        )
    if unexplained := [name for name, why in reasons.items() if not why]:
        console.print("not noticed:", *unexplained, sep="\n  ", soft_wrap=True)
        console.print(f"  → in {found.folder}: python -m mutmut show NAME", soft_wrap=True)


def copy_for(room: str, digits: str, folder: Path) -> Path:
    """Copy the checkout's files anew, with mutmut's settings for a room; return the copy."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in _files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, folder / name)
    with (folder / "pyproject.toml").open("a") as file:
        entries = sorted({name.partition("/")[0] for name in _files()})
        file.write(settings(room, digits, entries))
    return folder


def settings(room: str, digits: str, entries: list[str]) -> str:
    """Return mutmut's table in pyproject.toml.

    ``digits`` says which mutants are tried; ``entries`` is all at the top of the checkout.
    """
    package = room.partition("/")[0]
    values = {
        "source_paths": [package],
        "only_mutate": [f"{room}/*"],
        "do_not_mutate": [*UNCHANGED],
        "type_check_command": [
            *(sys.executable, "-m", "commands.mutant_types", digits, room),
            *(*TYPES, "--cache-dir", str(home() / "mutants" / "types")),
        ],
        "timeout_constant": PATIENCE,
        "also_copy": [name for name in entries if name not in (package, "tests", "pyproject.toml")],
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "-m", QUICK],
        "pytest_add_cli_args_test_selection": ROOMS[room].split(),
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(["\n[tool.mutmut]", *NO_HISTORY, *lines, ""])


def verdicts(room: str, listed: str, folder: Path) -> Verdicts:
    """Read what ``mutmut results`` lists: a mutant a line, then a colon and its verdict."""
    pairs = [line.strip().rpartition(": ") for line in listed.splitlines() if ": " in line]
    counts = Counter(verdict for _, _, verdict in pairs)
    unnoticed = tuple(name for name, _, verdict in pairs if verdict in UNNOTICED)
    by_tests = sum(counts[verdict] for verdict in BY_TESTS)
    return Verdicts(room, counts[BY_TYPES], by_tests, unnoticed, folder)


def _files() -> Iterator[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    yield from (name for name in listed.split("\0") if name and (REPOSITORY / name).is_file())


def _within(minutes: float, command: list[str], folder: Path, output: IO[str]) -> None:
    """Run a command with all that it starts, and end them together when its time is over."""
    limit = ["timeout", "--kill-after=10", f"{60 * minutes:.0f}"]
    subprocess.run(
        [*limit, *command],
        cwd=folder,
        stdout=output,
        stderr=subprocess.STDOUT,
        check=False,
    )
