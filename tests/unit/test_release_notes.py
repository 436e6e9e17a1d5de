"""The notes of a release: the changelog's section of its version, and of no other."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / ".ci/release_notes.py"
CHANGELOG = """# Changelog

## Unreleased

- Not out yet.

## 1.10.0 (2026-11-28)

- Ten.

### Upgrading

- Nothing to do.

## 1.1.0

- One.

## 1.0.0
"""


def notes(
    folder: Path, tag: str, version: str, changelog: str = CHANGELOG
) -> "subprocess.CompletedProcess[str]":
    (folder / "pyproject.toml").write_text(f'[project]\nname = "x"\nversion = "{version}"\n')
    (folder / "CHANGELOG.md").write_text(changelog)
    command = [sys.executable, str(SCRIPT), tag]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.10.0", "- Ten.\n\n### Upgrading\n\n- Nothing to do.\n"),
        ("1.1.0", "- One.\n"),
    ],
)
def test_the_section_of_the_version_is_printed(tmp_path: Path, version: str, expected: str) -> None:
    done = notes(tmp_path, f"v{version}", version)

    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


@pytest.mark.parametrize("tag", ["v1.1.0", "1.10.0", "v1.10.0-rc1"])
def test_a_tag_of_another_version_has_no_release(tmp_path: Path, tag: str) -> None:
    done = notes(tmp_path, tag, "1.10.0")

    assert done.returncode == 1
    assert done.stdout == ""
    assert f"the tag is {tag}, but pyproject.toml has version 1.10.0" in done.stderr


@pytest.mark.parametrize("version", ["1.0.0", "1.1", "1.2.0", "1x1.0"])
def test_a_version_without_a_section_that_says_something_has_no_release(
    tmp_path: Path, version: str
) -> None:
    done = notes(tmp_path, f"v{version}", version)

    assert done.returncode == 1
    assert f"CHANGELOG.md says nothing of {version}" in done.stderr
