"""Check the types of those mutants that are tried, and of no others. Runs mypy.

``python -m commands.mutant_types DIGITS ROOM mypy …`` runs that command in mutmut's folder, where
each file has all mutants of its functions one below the other, some thirty times as much as there
was. mypy reads copies of these files (``--shadow-file``) in which the others do nothing; each line
stays where it was, since mutmut finds a mutant by the line of its error.
"""

import ast
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# mutmut numbers the mutants of a function; the last digit says which share one belongs to.
MUTANT = re.compile(r"__mutmut_\d*(\d)$")
NOTHING = "raise NotImplementedError"


def without_others(text: str, digits: str) -> str:
    """Return a module in which mutants whose number ends with none of the digits do nothing."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.end_lineno:
            continue
        number = MUTANT.search(node.name)
        first = node.body[0]
        if (
            number
            and number[1] not in digits
            and not lines[first.lineno - 1][: first.col_offset].strip()
        ):
            indent = " " * first.col_offset
            lines[first.lineno - 1 : node.end_lineno] = [indent + NOTHING] + [""] * (
                node.end_lineno - first.lineno
            )
    return "\n".join(lines) + "\n"


def shadows(room: Path, digits: str, into: Path) -> list[str]:
    """Write the copies of a room's files with mutants; return mypy's options that name them."""
    options = []
    for number, path in enumerate(sorted(room.rglob("*.py"))):
        text = path.read_text(encoding="utf-8")
        if "__mutmut_" in text:
            shadow = into / f"{number}.py"
            shadow.write_text(without_others(text, digits), encoding="utf-8")
            options += ["--shadow-file", str(path), str(shadow)]
    return options


def main(digits: str, room: str, *command: str) -> int:
    """Run mypy, which prints what it finds; return its exit code."""
    with tempfile.TemporaryDirectory(prefix="raykiln-") as scratch:
        options = shadows(Path(room), digits, Path(scratch))
        return subprocess.run(
            [sys.executable, "-m", *command, *options, room], check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
