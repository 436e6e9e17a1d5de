"""The journal of some units, entry after entry: the old ones, then new ones as they come. No AWS.

journalctl writes into a pipe, and waits while this does not read. So memory never holds more than
one read and one unfinished line.
"""

import json
import os
import select
import subprocess
from collections.abc import Iterable
from typing import Protocol

from node.log import WARNING, Log
from node.logs.batch import Event, event_of

READ_BYTES = 64 * 1024
# Longer than any line that journald takes from a service (LineMax=48K), escaped as JSON.
LINE_BYTES = 512 * 1024
FIELDS = "MESSAGE,PRIORITY,UNIT,_SYSTEMD_UNIT,SYSLOG_IDENTIFIER"


class Source(Protocol):
    """Where events come from."""

    def read(self, seconds: float) -> list[Event]:
        """Return the next events; none when none come within so many seconds."""

    @property
    def ended(self) -> bool:
        """True when no more events will come."""

    def close(self) -> None:
        """Release its process and pipe."""


def journal_command(units: Iterable[str], cursor: str, *, follow: bool) -> list[str]:
    """Return the command that prints the units' entries, all or those after a cursor."""
    chosen = [f"--unit={unit}" for unit in units]
    where = [f"--after-cursor={cursor}"] if cursor else []
    form = ["--output=json", f"--output-fields={FIELDS}", "--all", "--quiet", "--no-pager"]
    # By itself --follow begins with the last ten lines, and leaves out those of the boot before,
    # which --merge brings back.
    new = ["--follow", "--no-tail", "--merge"] if follow else []
    return ["journalctl", *form, *chosen, *where, *new]


class JournalSource:
    """A running journalctl."""

    def __init__(self, command: list[str], log: Log) -> None:
        self._log = log
        self._pipe, theirs = os.pipe()
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs)
        os.close(theirs)
        self._rest = b""
        self._skipping = False
        self.ended = False

    def read(self, seconds: float) -> list[Event]:
        ready, _, _ = select.select([self._pipe], [], [], seconds)
        if not ready:
            return []
        data = os.read(self._pipe, READ_BYTES)
        if not data:
            self.ended = True
            return []
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._skipping and lines:
            lines, self._skipping = lines[1:], False
        if len(self._rest) > LINE_BYTES:
            self._log("line skipped", level=WARNING, bytes=len(self._rest))
            self._rest, self._skipping = b"", True
        return [event for line in lines if (event := self._event(line))]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._pipe)

    def _event(self, line: bytes) -> Event | None:
        try:
            return event_of(json.loads(line))
        except (AttributeError, KeyError, ValueError, TypeError) as error:
            self._log("not a journal entry", level=WARNING, error=error)
            return None
