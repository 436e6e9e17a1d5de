"""Put right what events and workers left behind, and bring back what failed. Touches AWS.

The bucket says what should be answered from, the control table what is. Whatever they differ in
gets a message; a worker then looks at it as at any other.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from documents.access import Access
from documents.control.claims import DONE, FAILED, OPEN, RESUME_AT
from documents.control.vector_sets import STALE, WRITING
from documents.identity import INPUT, ObjectRef, object_of
from documents.providers.interfaces import Index
from documents.settings import Settings
from documents.vectors import delete_vectors

# Times of claim_seconds without a change after which a message, or a writer, counts as lost.
LOST_AFTER = 10


@dataclass
class Swept:
    """What one sweep found."""

    messages: int = 0
    sets: int = 0


def sweep(found: Access, index: Index, settings: Settings, now: datetime | None = None) -> Swept:
    """Send a message for each object that none stands for; delete vectors that serve no more."""
    now = now or datetime.now(UTC)
    age = timedelta(seconds=settings.claim_seconds * LOST_AFTER)
    before = (now - age).isoformat(timespec="milliseconds")
    swept, known = Swept(), _known(found)

    def ask(ref: ObjectRef, record: dict[str, Any] | None) -> None:
        if record is None or _is_due(record, now, before):
            found.queue.send(ref)
            swept.messages += 1
            if record:
                found.claims.asked_for(ref)

    present = dict(found.source.listed(settings.bucket, INPUT))
    for ref, etag in present.items():
        if ref.is_document and known.get(ref.id, {}).get("etag") != etag:
            ask(ref, known.get(ref.id))
    for record in known.values():
        if object_of(record["id"]) not in present:
            ask(object_of(record["id"]), record)
    for status in (WRITING, STALE):
        for record in list(found.listing.with_status(status, before)):
            swept.sets += delete_vectors(
                found.sets, index, found.texts, record["id"].partition("/")[2]
            )
    return swept


def _known(found: Access) -> dict[str, dict[str, Any]]:
    """Return the records of the objects that are indexed, or still are to be."""
    return {
        record["id"]: record
        for status in (DONE, *OPEN)
        for record in found.listing.with_status(status)
    }


def _is_due(record: dict[str, Any], now: datetime, before: str) -> bool:
    """Say whether no message can stand for an object: it was put off, and its time has come, or its
    record has not changed lately.
    """
    if RESUME_AT in record:
        return bool(record[RESUME_AT] <= now.timestamp())
    return bool(record["updated_at"] < before)


def retry(found: Access, who: str, key: str = "") -> dict[ObjectRef, str]:
    """Move what failed back to ``input/``, all of it or one key; return the versions made."""
    moved = dict[ObjectRef, str]()
    for record in list(found.listing.with_status(FAILED)):
        ref = object_of(record["id"])
        if key and key not in (ref.key, ref.name):
            continue
        if version := found.source.move_back(ref, record.get("moved_to", "")):
            found.audit.add(ref.id, who, "retried", reason=record.get("reason", ""))
            found.queue.send(ref)  # S3's own event does no harm beside it
            moved[ref] = version
    return moved


def backlog(found: Access) -> dict[str, int]:
    """Return how many objects there are by status."""
    return {status: found.listing.count(status) for status in (*OPEN, DONE, FAILED)}
