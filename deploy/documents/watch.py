"""Watch documents on their way: received, parsed, embedded, done, or why not. Reads only.

The control table says how far each is. A record may still be about a former version of its object,
so only one that names the version that was sent is believed to be at its end.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from common.clients import error_code
from common.errors import TimedOut
from common.progress import Lines
from common.waiting import Clock, Seen, wait_for
from deploy.documents.pipeline import plainly
from deploy.documents.upload import ALL, LISTED, Sent
from documents.control.claims import DONE, FAILED
from documents.control.listing import Listing
from documents.control.vector_sets import REMOVED

# Seconds without a change of any of them after which a person should look.
PATIENCE = 600.0
GONE = ("404", "NoSuchKey")


@dataclass
class Ended:
    """How documents ended: what they became, or why not, by name."""

    done: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


class Watch:
    """Watches documents until each has ended."""

    def __init__(self, listing: Listing, s3: Any, clock: Clock, lines: Lines) -> None:
        self._listing, self._s3, self._clock, self._lines = listing, s3, clock, lines
        self._last: dict[str, tuple[object, ...]] = {}

    def run(self, sent: Sequence[Sent], patience: float = PATIENCE) -> Ended:
        """Return how they ended; raises TimedOut when nothing changes for ``patience`` seconds."""
        ended, left = Ended(), {one.ref.id: one for one in sent}
        while left:
            try:
                wait_for(
                    "the documents",
                    lambda: self._look(left, ended, len(sent)),
                    clock=self._clock,
                    seconds=patience,
                    every=1 + len(left) / 1000,
                )
            except TimedOut as error:
                error.hint = (
                    "nothing is lost: the pipeline goes on, and `invoke documents.status` says more"
                )
                raise
        if len(sent) > LISTED:
            self._lines.end(ALL, f"{len(ended.done)} done, {len(ended.failed)} failed")
        return ended

    def _look(self, left: dict[str, Sent], ended: Ended, count: int) -> Seen[bool]:
        """Take those that ended from ``left``; the value is there when any has changed."""
        with plainly("reading the control table"):
            records = self._listing.records([one.ref for one in left.values()])
        changed, ways = False, list[str]()
        for at, one in list(left.items()):
            record = records.get(at, {})
            state = tuple(record.get(name) for name in ("status", "updated_at", "claim_until"))
            changed |= self._last.get(at) != state
            self._last[at] = state
            if self._end(one, record, ended, one_of_many=count > LISTED):
                del left[at]
                continue
            ways.append(way := _way(one, record))
            if count <= LISTED:
                self._lines.say(one.ref.name, way)
        words = _counted(ways, ended)
        if count > LISTED:
            self._lines.say(ALL, words)
        return Seen(changed or not left or None, words)

    def _end(self, sent: Sent, record: dict[str, Any], ended: Ended, *, one_of_many: bool) -> bool:
        """Note how a document ended; False while it has not."""
        status = record.get("status")
        if status not in (DONE, FAILED, REMOVED):
            return False
        failed, words = status == FAILED, _outcome(record)
        if status == REMOVED or record.get("version") != sent.version:
            if self._is_newest(sent):
                return False  # the record is about what was there before
            failed, words = True, "another version has replaced it, or it was removed"
        (ended.failed if failed else ended.done)[sent.ref.name] = words
        if failed or not one_of_many:
            self._lines.end(sent.ref.name, words, failed=failed)
        return True

    def _is_newest(self, sent: Sent) -> bool:
        with plainly(f"looking at {sent.ref.key}"):
            try:
                found = self._s3.head_object(Bucket=sent.ref.bucket, Key=sent.ref.key)
            except ClientError as error:
                if error_code(error) in GONE:
                    return False
                raise
        return bool(found.get("VersionId", "null") == sent.version)


def _way(sent: Sent, record: dict[str, Any]) -> str:
    """Return how far a document is, in words."""
    if record.get("version", sent.version) != sent.version or "status" not in record:
        return "uploaded"
    words = str(record["status"]).lower()
    return f"{words}, waiting: {record['waiting']}" if record.get("waiting") else words


def _outcome(record: dict[str, Any]) -> str:
    if record["status"] == FAILED:
        return str(record.get("reason", "no reason is known"))
    note = f"; {record['note']}" if record.get("note") else ""
    counted = [f"{record[name]} {name}" for name in ("pages", "chunks") if name in record]
    return f"done{': ' if counted else ''}{', '.join(counted)}{note}"


def _counted(ways: Sequence[str], ended: Ended) -> str:
    counts = Counter(way.partition(",")[0] for way in ways)
    counts["done"], counts["failed"] = len(ended.done), len(ended.failed)
    return ", ".join(f"{count} {way}" for way, count in counts.items() if count)
