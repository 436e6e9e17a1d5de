"""An instance's systemd journal, read page by page through SSM. Reads AWS.

A page begins after a cursor and ends with a complete entry, so that consecutive pages neither lose
nor repeat a line. An entry that SSM cut off is discarded and read again.
"""

import base64
import binascii
import json
import shlex
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from common.clients import Clients
from common.errors import PipelineError
from common.waiting import Clock
from deploy.cluster.instance_output import printable
from deploy.cluster.run_command import run_command
from node.contract import HEAD_UNIT

FIELDS = "MESSAGE,_SYSTEMD_UNIT,UNIT,SYSLOG_IDENTIFIER"
# Bytes of JSON, which compresses tenfold: GetCommandInvocation returns the first 24,000 characters.
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetCommandInvocation.html
PAGE_BYTES = 100_000
SECONDS = 20.0
EVERY = 2.0


@dataclass(frozen=True)
class LogLine:
    """One entry: its time (seconds since the epoch), unit, message and cursor."""

    at: float
    unit: str
    message: str
    cursor: str

    def __str__(self) -> str:
        when = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds")
        return f"{when[:-6]}Z {self.unit} {self.message}"


@dataclass(frozen=True)
class Page:
    """Entries in order; ``is_last``: there were no more at that time."""

    lines: tuple[LogLine, ...]
    is_last: bool


@dataclass(frozen=True)
class SystemdJournal:
    """The systemd journal of some units on one instance."""

    clients: Clients
    clock: Clock
    instance_id: str
    units: tuple[str, ...] = (HEAD_UNIT,)

    def newest(self, count: int) -> Iterator[LogLine]:
        """Yield the newest entries, ``count`` at most; raises PipelineError if it cannot."""
        page = self._page(f"--lines={count}")
        yield from page.lines
        if page.lines and not page.is_last:
            yield from self.after(page.lines[-1].cursor)

    def after(self, cursor: str) -> Iterator[LogLine]:
        """Yield the entries after a cursor, up to now; all entries when the cursor is empty."""
        while True:
            page = self._page(*([f"--after-cursor={cursor}"] if cursor else []))
            yield from page.lines
            if page.is_last or not page.lines:
                return
            cursor = page.lines[-1].cursor

    def follow(self, count: int) -> Iterator[LogLine]:
        """Yield the newest entries and then every new one; ends only by a PipelineError."""
        cursor = ""
        for line in self.newest(count):
            cursor = line.cursor
            yield line
        while True:
            self.clock.sleep(EVERY)
            for line in self.after(cursor):
                cursor = line.cursor
                yield line

    def _page(self, *options: str) -> Page:
        result = run_command(
            self.clients,
            self.instance_id,
            journal_command(self.units, options),
            clock=self.clock,
            seconds=SECONDS,
        )
        page = page_of(result.stdout) if result.succeeded else Page((), is_last=True)
        # The shell's pipe hides journalctl's exit code.
        if not result.succeeded or (result.stderr.strip() and not page.lines):
            raise PipelineError(
                f"the journal of {self.instance_id} could not be read: "
                f"{result.status} {result.exit_code}: "
                + (result.stderr or result.stdout).strip()[-300:],
                hint="is the unit's name correct?",
            )
        return page


def journal_command(units: Iterable[str], options: Iterable[str]) -> str:
    """Return the shell command that prints a page: JSON entries, truncated, gzip, base64.

    journalctl(1): a field of more than 4096 bytes becomes null, so that an entry is never larger
    than a page.
    """
    chosen = [f"--unit={unit}" for unit in units]
    fields = f"--output-fields={FIELDS}"
    words = ["journalctl", "--quiet", "--no-pager", "--output=json", fields, *chosen, *options]
    return f"{shlex.join(words)} | head --bytes={PAGE_BYTES} | gzip | base64 --wrap=0"


def page_of(text: str) -> Page:
    """Return the complete entries of ``journal_command``'s output, which may be cut off."""
    data, is_whole = _unpacked(text)
    complete, _, rest = data.rpartition(b"\n")
    entries = complete.decode("utf-8", "replace").split("\n") if complete else []
    lines = tuple(_line(json.loads(entry)) for entry in entries)
    return Page(lines, is_whole and not rest and len(data) < PAGE_BYTES)


def _unpacked(text: str) -> tuple[bytes, bool]:
    """Return the readable part of a gzip stream in base64, and whether that is all of it."""
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        packed = base64.b64decode(text.strip()[: len(text.strip()) // 4 * 4])
        return stream.decompress(packed), stream.eof
    except (binascii.Error, zlib.error) as error:
        raise PipelineError(f"the journal arrived garbled: {error}", hint="try again") from error


def _line(entry: dict[str, Any]) -> LogLine:
    # In systemd's own messages about a unit, UNIT names it.
    unit = entry.get("UNIT") or entry.get("_SYSTEMD_UNIT") or entry.get("SYSLOG_IDENTIFIER") or ""
    return LogLine(
        at=int(entry["__REALTIME_TIMESTAMP"]) / 1e6,
        unit=str(unit).removesuffix(".service"),
        message=printable(_message(entry.get("MESSAGE"))),
        cursor=str(entry["__CURSOR"]),
    )


def _message(value: object) -> str:
    """Return a field as text; journalctl gives non-UTF-8 as a list of bytes, a long one as null."""
    if value is None:
        return "(a line of more than 4096 bytes)"
    if isinstance(value, list) and all(isinstance(byte, int) for byte in value):
        return bytes(value).decode("utf-8", "replace")
    return str(value)
