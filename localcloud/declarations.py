"""What another process declares in a file, for as long as the file exists. No AWS."""

from contextlib import suppress
from pathlib import Path


class Declarations:
    """Two words per line; other lines are ignored."""

    def __init__(self) -> None:
        self._path: Path | None = None

    def follow(self, path: Path | None) -> None:
        """Read this file from now on, or none."""
        self._path = path

    def pairs(self) -> list[tuple[str, str]]:
        """Return what is declared now."""
        text = ""
        if self._path:
            with suppress(FileNotFoundError):
                text = self._path.read_text()
        lines = [line.split() for line in text.splitlines()]
        return [(line[0], line[1]) for line in lines if len(line) == 2]
