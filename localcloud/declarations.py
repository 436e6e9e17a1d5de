"""What another process declares in a file, for as long as the file exists. No AWS."""

from contextlib import suppress
from pathlib import Path


class Declarations:
    """A few words per line; lines with fewer or more words are ignored."""

    def __init__(self) -> None:
        self._path: Path | None = None

    def follow(self, path: Path | None) -> None:
        """Read this file from now on, or none."""
        self._path = path

    def lines(self, least: int, most: int) -> list[list[str]]:
        """Return the words of each line that has from ``least`` to ``most`` of them."""
        text = ""
        if self._path:
            with suppress(FileNotFoundError):
                text = self._path.read_text()
        lines = [line.split() for line in text.splitlines()]
        return [line for line in lines if least <= len(line) <= most]

    def pairs(self) -> list[tuple[str, str]]:
        """Return the lines of two words."""
        return [(first, second) for first, second in self.lines(2, 2)]
