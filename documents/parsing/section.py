"""What a parser yields, and what it is limited to. No AWS."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

HEADING_LENGTH = 200


@dataclass(frozen=True)
class Section:
    """Text of one page below one heading; ``text`` is empty for a page that has none.

    ``page`` counts from 1. Formats without pages have one, or those that their writer marked.
    """

    page: int
    heading: str
    text: str


@dataclass(frozen=True)
class Limits:
    """What one document may take: bytes, pages, characters, seconds of CPU, bytes of memory."""

    max_bytes: int
    max_pages: int
    max_characters: int
    seconds: int
    memory: int


class Parse(Protocol):
    """A parser of one format."""

    def __call__(self, path: Path) -> Iterator[Section]:
        """Yield the sections of a file in order; raises Unreadable."""


class Headings:
    """The headings that are open at one place of a document, outermost first."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def add(self, level: int, title: str) -> None:
        """Open a heading of this level, which closes those of the same level and below."""
        title = " ".join(title.split())
        if title:
            self._open = [one for one in self._open if one[0] < level] + [(level, title)]

    def __str__(self) -> str:
        return " > ".join(title for _, title in self._open)[-HEADING_LENGTH:]


def rows_as_text(rows: Sequence[Sequence[str]]) -> str:
    """Return a table as a line for each row, each value with its column's name.

    A row then says what it means wherever the text is cut.
    """
    clean = [[" ".join(cell.split()) for cell in row] for row in rows]
    if len(clean) < 2 or not all(clean[0]):
        return "\n".join(" | ".join(row) for row in clean)
    names = clean[0]
    lines = [
        " | ".join(
            f"{names[at]}: {cell}" if at < len(names) else cell
            for at, cell in enumerate(row)
            if cell
        )
        for row in clean[1:]
    ]
    return "\n".join(lines)
