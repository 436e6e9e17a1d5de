"""Log events to systemd's journal, and to the bootstrap log beside it. No AWS.

Lines are logfmt (``event="lease taken" epoch=3``); journald keeps time and priority itself, so
only the file has times. No secret is ever logged: callers pass names and numbers.
"""

import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TextIO

Log = Callable[..., None]

INFO = 6  # syslog severities; "<6>" before a line is how journald learns them, sd-daemon(3)
WARNING = 4
ERROR = 3


def logfmt(event: str, fields: dict[str, object]) -> str:
    """Return one line; values with spaces, quotes or newlines are quoted."""
    pairs = {"event": event, **fields}
    return " ".join(f"{key}={_quoted(value)}" for key, value in pairs.items())


def _quoted(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    if text and not any(c in text for c in ' "=\n'):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


class EventLog:
    """Called as ``log("lease taken", epoch=3)``; ``level`` is a syslog severity."""

    def __init__(self, stream: TextIO = sys.stderr, file: Path | None = None) -> None:
        self._stream = stream
        self._file = _open_for_append(file, stream)

    def __call__(self, event: str, *, level: int = INFO, **fields: object) -> None:
        line = logfmt(event, fields)
        print(f"<{level}>{line}", file=self._stream, flush=True)
        if self._file:
            stamp = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
            print(stamp, line, file=self._file, flush=True)


def _open_for_append(path: Path | None, stream: TextIO) -> TextIO | None:
    """Open the bootstrap log; where that fails (disk full) events go to the journal alone."""
    if path is None:
        return None
    try:
        return path.open("a", encoding="utf-8")
    except OSError as error:
        print(f"<{WARNING}>" + logfmt("no bootstrap log", {"error": error}), file=stream)
        return None
