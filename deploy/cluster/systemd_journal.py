"""What an instance's systemd journal says, page by page through SSM. Reads AWS.

A page begins after a cursor and ends with a whole entry, so that pages that follow each other
neither lose a line nor repeat one, however much is said at a time. What SSM may cut is thrown away
and asked for again.
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
from deploy.cluster.last_words import printable
from deploy.cluster.run_command import run_command
from node.contract import HEAD_UNIT

FIELDS = "MESSAGE,_SYSTEMD_UNIT,UNIT,SYSLOG_IDENTIFIER"
# Of JSON, which shrinks tenfold: GetCommandInvocation returns the first 24,000 characters.
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetCommandInvocation.html
PAGE = 100_000
SECONDS = 20.0
EVERY = 2.0


@dataclass(frozen=True)
class Line:
    """One entry: when (seconds since the epoch), which unit's, what, and where it stands."""

    at: float
    unit: str
    message: str
    cursor: str

    def __str__(self) -> str:
        when = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds")
        return f"{when[:-6]}Z {self.unit} {self.message}"


@dataclass(frozen=True)
class Page:
    """Entries in order; ``is_last``: there were no more at that moment."""

    lines: tuple[Line, ...]
    is_last: bool


@dataclass(frozen=True)
class Reader:
    """Reads the journal of some units on one instance."""

    clients: Clients
    clock: Clock
    instance_id: str
    units: tuple[str, ...] = (HEAD_UNIT,)

    def newest(self, count: int) -> Iterator[Line]:
        """Yield the newest entries, so many at most; raises PipelineError where it cannot."""
        page = self._page(f"--lines={count}")
        yield from page.lines
        if page.lines and not page.is_last:
            yield from self.after(page.lines[-1].cursor)

    def after(self, cursor: str) -> Iterator[Line]:
        """Yield what came after a cursor, up to now; without one all there is."""
        while True:
            page = self._page(*([f"--after-cursor={cursor}"] if cursor else []))
            yield from page.lines
            if page.is_last or not page.lines:
                return
            cursor = page.lines[-1].cursor

    def follow(self, count: int) -> Iterator[Line]:
        """Yield the newest entries and then every new one; raises PipelineError at the end."""
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
        ran = run_command(
            self.clients,
            self.instance_id,
            journal_command(self.units, options),
            clock=self.clock,
            seconds=SECONDS,
        )
        page = page_of(ran.stdout) if ran.succeeded else Page((), is_last=True)
        # A shell's pipe hides how journalctl itself ended.
        if not ran.succeeded or (ran.stderr.strip() and not page.lines):
            raise PipelineError(
                f"the journal of {self.instance_id} could not be read: "
                f"{ran.status} {ran.exit_code}: {(ran.stderr or ran.stdout).strip()[-300:]}",
                hint="is the unit's name right?",
            )
        return page


def journal_command(units: Iterable[str], options: Iterable[str]) -> str:
    """Return the shell command that prints a page: entries as JSON, cut, compressed, as text.

    journalctl(1): a field of more than 4096 bytes becomes null, so that an entry is never larger
    than a page.
    """
    chosen = [f"--unit={unit}" for unit in units]
    fields = f"--output-fields={FIELDS}"
    words = ["journalctl", "--quiet", "--no-pager", "--output=json", fields, *chosen, *options]
    return f"{shlex.join(words)} | head --bytes={PAGE} | gzip | base64 --wrap=0"


def page_of(text: str) -> Page:
    """Return the whole entries of what ``journal_command`` printed, or of its beginning."""
    data, complete = _unpacked(text)
    whole, _, rest = data.rpartition(b"\n")
    entries = whole.decode("utf-8", "replace").split("\n") if whole else []
    lines = tuple(_line(json.loads(entry)) for entry in entries)
    return Page(lines, complete and not rest and len(data) < PAGE)


def _unpacked(text: str) -> tuple[bytes, bool]:
    """Return what can be had of a gzip stream in base64, and whether that is all of it."""
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        packed = base64.b64decode(text.strip()[: len(text.strip()) // 4 * 4])
        return stream.decompress(packed), stream.eof
    except (binascii.Error, zlib.error) as error:
        raise PipelineError(f"the journal came garbled: {error}", hint="try again") from error


def _line(entry: dict[str, Any]) -> Line:
    # Of what systemd itself says about a unit, UNIT names it.
    unit = entry.get("UNIT") or entry.get("_SYSTEMD_UNIT") or entry.get("SYSLOG_IDENTIFIER") or ""
    return Line(
        at=int(entry["__REALTIME_TIMESTAMP"]) / 1e6,
        unit=str(unit).removesuffix(".service"),
        message=printable(_message(entry.get("MESSAGE"))),
        cursor=str(entry["__CURSOR"]),
    )


def _message(value: object) -> str:
    """Return a field as text; what is not UTF-8 comes as a list of bytes, what is long as null."""
    if value is None:
        return "(a line of more than 4096 bytes)"
    if isinstance(value, list) and all(isinstance(byte, int) for byte in value):
        return bytes(value).decode("utf-8", "replace")
    return str(value)
