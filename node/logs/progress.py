"""Which of this node's logs are shipped, stored on disk. No AWS."""

import json
from pathlib import Path
from typing import Any

from node.identity import write_whole

PROGRESS = Path("/var/lib/ray-logs/progress.json")  # StateDirectory of ray-logs.service


class Progress:
    """The last line that was shipped: its cursor in the journal, and its time in milliseconds."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def cursor(self) -> str:
        """Return the cursor; empty on the first boot, and when the file cannot be read."""
        return str(self._read().get("cursor", ""))

    def shipped_until(self) -> int:
        """Return the time of the last line shipped; 0: none."""
        return int(self._read().get("at", 0))

    def write(self, cursor: str, at: int) -> None:
        """Replace the file by one rename."""
        write_whole(self._path, json.dumps({"cursor": cursor, "at": at}) + "\n", 0o644)

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
