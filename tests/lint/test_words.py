"""The glossary's words: what it says not to write is written nowhere."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("*.py", "*.md", "*.toml", "*.service", "*.sh")
# The glossary names the words, and so does this file.
EXEMPT = {"docs/glossary.md", "tests/lint/test_words.py"}
AVOIDED = (
    *("shall", "nobody", "mend", "mends", "mended", "unwell", "unborn"),
    *("so long", "to the end"),
)


def written() -> dict[str, str]:
    """Return the tracked files whose words people read, by name."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *KINDS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    names = [name for name in listed if name and name not in EXEMPT and (ROOT / name).is_file()]
    return {name: (ROOT / name).read_text("utf-8") for name in names}


def places(words: str, text: str) -> list[int]:
    """Return the lines of a text that hold these words, over line ends and in names too."""
    between = r"(?:[\s_#*/|-]+)".join(re.escape(word) for word in words.split())
    pattern = re.compile(rf"(?<![^\W_]){between}(?![^\W_])", re.IGNORECASE)
    return [text.count("\n", 0, match.start()) + 1 for match in pattern.finditer(text)]


@pytest.mark.parametrize("words", AVOIDED)
def test_no_file_says(words: str) -> None:
    found = [f"{name}:{line}" for name, text in written().items() for line in places(words, text)]
    assert found == [], f"{words!r}: see docs/glossary.md"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("as so long a list", [1]),
        ("kept\nSo\n  long", [2]),
        ("# so\n# long", [1]),
        ("def test_it_is_so_long_kept", [1]),
        ("so, long ago", []),
        ("also longing", []),
    ],
)
def test_a_phrase_is_found_over_lines_and_in_names(text: str, lines: list[int]) -> None:
    assert places("so long", text) == lines
