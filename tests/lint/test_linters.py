"""The linters, as tests: each must have nothing to say."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = (
    *(".ci", "ami-provisioners", "bake", "commands", "common", "deploy", "documents"),
    *("drills", "localcloud", "node", "tasks.py", "tests"),
)


def tracked(*patterns: str) -> list[str]:
    """Return the tracked files that match, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return [name for name in listed if (ROOT / name).exists()]


def shell_scripts() -> list[str]:
    """Return every shell script, by ending or by first line."""
    named = [f for f in tracked() if f.endswith(".sh")]
    others = [f for f in tracked() if "." not in Path(f).name and _is_shell(ROOT / f)]
    return named + others


def _is_shell(path: Path) -> bool:
    with path.open("rb") as file:
        return file.readline().rstrip().endswith((b"bash", b"/sh"))


def says(*command: str) -> str:
    """Return what a linter printed; a missing tool is a skip."""
    tool = shutil.which(command[0], path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if tool is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([tool, *command[1:]], cwd=ROOT, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_ruff_finds_nothing() -> None:
    assert says("ruff", "check", "--quiet", *filter(lambda p: (ROOT / p).exists(), PYTHON)) == ""


def test_every_python_file_is_formatted() -> None:
    assert says("ruff", "format", "--check", "--quiet", ".") == ""


def test_the_types_hold_strictly() -> None:
    assert says("mypy", "--strict") == ""


def test_shellcheck_finds_nothing() -> None:
    assert says("shellcheck", "--external-sources", *shell_scripts()) == ""


def test_every_shell_script_is_formatted() -> None:
    assert says("shfmt", "-i", "2", "-d", *shell_scripts()) == ""


def test_the_packer_template_is_formatted() -> None:
    assert says("packer", "fmt", "-check", "-diff", "packer") == ""


def test_no_word_is_misspelt() -> None:
    assert says("codespell", *tracked()) == ""


def test_the_workflows_have_no_known_weakness() -> None:
    assert says("zizmor", "--offline", "--quiet", "--strict-collection", ".github") == ""
