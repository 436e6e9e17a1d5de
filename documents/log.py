"""Log events to standard error, as one JSON object a line; the container's log driver takes them.

No secret is ever logged: callers pass names and numbers.
"""

import json
import sys
from datetime import UTC, datetime


class JsonLog:
    """Called as ``log("indexed", key="input/a.pdf")``; ``who`` is on every line."""

    def __init__(self, who: str) -> None:
        self._who = who

    def __call__(self, event: str, **fields: object) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "who": self._who, "event": event, **fields}
        print(json.dumps(line, default=str), file=sys.stderr, flush=True)
