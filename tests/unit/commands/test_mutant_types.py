"""Only the types of those mutants are checked that are tried."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from commands.mutant_types import without_others
from common.checkout import REPOSITORY

MODULE = '''\
def x_double__mutmut_orig(number: int) -> int:
    return 2 * number


def x_double__mutmut_1(
    number: int,
) -> int:
    """Say it twice."""
    return str(number)


class Thing:
    def xǁThingǁname__mutmut_17(self) -> str:
        if self:
            return None
        return ""

    def xǁThingǁname__mutmut_13(self) -> str:
        return None
'''


def test_other_mutants_do_nothing_and_each_line_stays_where_it_was() -> None:
    assert without_others(MODULE, "73") == MODULE.replace(
        '    """Say it twice."""\n    return str(number)\n',
        "    raise NotImplementedError\n\n",
    )
    assert without_others(MODULE, "1").count("raise NotImplementedError") == 2
    assert without_others(MODULE, "0123456789") == MODULE


@pytest.mark.slow
@pytest.mark.parametrize(("digits", "lines"), [("1", [9]), ("7", [15]), ("37", [15, 19])])
def test_an_error_is_that_of_a_mutant_that_is_tried_at_its_own_line(
    tmp_path: Path, digits: str, lines: list[int]
) -> None:
    """As mutmut runs it, in its folder."""
    room = tmp_path / "room"
    room.mkdir()
    (room / "thing.py").write_text(MODULE)
    (room / "other.py").write_text("number: int = 1\n")

    done = subprocess.run(
        [
            *(sys.executable, "-m", "commands.mutant_types", digits, "room"),
            *("mypy", "--strict", "--output", "json", "--cache-dir", str(tmp_path / "cache")),
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )

    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["file"], one["line"]) for one in found] == [("room/thing.py", n) for n in lines]
    assert done.returncode == 1
