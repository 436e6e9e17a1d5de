"""Journal entries as events of CloudWatch Logs, in batches as large as one call allows. No AWS.

The limits are PutLogEvents' own:
docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

import json
from dataclasses import dataclass
from typing import Any

from node.contract import LINE_MESSAGE, LINE_PRIORITY, LINE_UNIT

BATCH_BYTES = 1_048_576  # of all messages in UTF-8, and EVENT_BYTES for each
EVENT_BYTES = 26
BATCH_EVENTS = 10_000
BATCH_SPAN_MS = 24 * 3600 * 1000
# Far below the limit of one event (1 MB): a longer message is no log line.
MESSAGE_BYTES = 64 * 1024
CUT = " (cut)"


@dataclass(frozen=True)
class Event:
    """One line: ``at`` in milliseconds since the epoch, and its cursor in the journal."""

    at: int
    text: str
    cursor: str

    @property
    def size(self) -> int:
        """Bytes that it adds to a call."""
        return len(self.text.encode()) + EVENT_BYTES


def event_of(entry: dict[str, Any]) -> Event:
    """Return a journal entry (``journalctl --output=json``) as an event that people can read.

    Raises AttributeError, KeyError, ValueError or TypeError when it is no journal entry.
    """
    # In an entry of systemd itself UNIT names the unit.
    unit = entry.get("UNIT") or entry.get("_SYSTEMD_UNIT") or entry.get("SYSLOG_IDENTIFIER") or ""
    line = {
        LINE_UNIT: str(unit).removesuffix(".service"),
        LINE_PRIORITY: int(entry.get("PRIORITY") or 6),
        LINE_MESSAGE: shortened(_message(entry.get("MESSAGE"))),
    }
    return Event(
        int(entry["__REALTIME_TIMESTAMP"]) // 1000,
        json.dumps(line, ensure_ascii=False),
        str(entry["__CURSOR"]),
    )


def _message(value: object) -> str:
    """Return a field as text; journalctl prints one that is not UTF-8 as a list of bytes."""
    if isinstance(value, list) and all(isinstance(byte, int) for byte in value):
        return bytes(value).decode("utf-8", "replace")
    return "" if value is None else str(value)


def shortened(text: str) -> str:
    """Cut a message that is longer than MESSAGE_BYTES."""
    data = text.encode("utf-8", "replace")
    if len(data) <= MESSAGE_BYTES:
        return data.decode()
    return data[: MESSAGE_BYTES - len(CUT)].decode("utf-8", "ignore") + CUT


class Batch:
    """Events of one call, in the order of the journal."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._bytes = 0
        self._first_ms, self._last_ms = 0, 0

    def __len__(self) -> int:
        return len(self._events)

    @property
    def last(self) -> Event:
        """The event that comes last in the journal."""
        return self._events[-1]

    def has_room(self, event: Event) -> bool:
        """Say whether the event fits; the first one always does."""
        first, last = self._span(event)
        return (
            len(self._events) < BATCH_EVENTS
            and self._bytes + event.size <= BATCH_BYTES
            and last - first < BATCH_SPAN_MS
        )

    def add(self, event: Event) -> None:
        """Add an event that fits."""
        self._first_ms, self._last_ms = self._span(event)
        self._events.append(event)
        self._bytes += event.size

    def _span(self, event: Event) -> tuple[int, int]:
        """Return the earliest and the latest time of the batch with this event."""
        if not self._events:
            return event.at, event.at
        return min(self._first_ms, event.at), max(self._last_ms, event.at)

    def as_request(self) -> list[dict[str, Any]]:
        """Return the events by time, as the API requires; setting the clock may have mixed them."""
        ordered = sorted(self._events, key=lambda event: event.at)
        return [{"timestamp": event.at, "message": event.text} for event in ordered]
