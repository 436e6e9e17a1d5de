"""What could not be launched, and why: written by the provider, read by the guard. No AWS.

Ray's autoscaler keeps that a launch failed, but not EC2's reason: ``LaunchNodeError`` is made
without its cause (ray/autoscaler/v2/instance_manager/node_provider.py, Ray 2.60).
"""

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from node.identity import write_whole


@dataclass(frozen=True)
class Failure:
    """A launch that EC2 refused: its code and its message."""

    group: str
    instance_type: str
    market: str
    code: str
    message: str


class Launches:
    """The newest failure of each group since its last success, in a file."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()

    def failed(self, failure: Failure, at: float) -> None:
        """Note a failure; ``at`` is Unix time."""
        self._change(failure.group, asdict(failure) | {"at": at})

    def succeeded(self, group: str) -> None:
        """Forget the group's failure."""
        self._change(group, None)

    def read(self) -> dict[str, dict[str, object]]:
        """Return the newest failure by group; empty when none is known."""
        try:
            found = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _change(self, group: str, entry: dict[str, object] | None) -> None:
        with self._lock:
            before = self.read()
            after = {name: value for name, value in before.items() if name != group}
            if entry:
                after[group] = entry
            if after != before:
                write_whole(self._path, json.dumps(after), 0o644)
