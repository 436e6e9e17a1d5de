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
    """A launch that EC2 refused: its code, its message, and what is tried next, in words."""

    group: str
    instance_type: str
    market: str
    code: str
    message: str
    next: str = ""


@dataclass(frozen=True)
class RefusedLaunch:
    """A group's newest failure, as /status shows it."""

    instance_type: str
    market: str
    code: str
    message: str
    seconds_ago: float
    next: str = ""


RefusedLaunches = dict[str, RefusedLaunch]  # by group


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

    def refused(self, now: float) -> RefusedLaunches:
        """Return the newest failure by group as of ``now``, Unix time."""
        return {group: _refused(entry, now) for group, entry in self.read().items()}

    def _change(self, group: str, entry: dict[str, object] | None) -> None:
        with self._lock:
            before = self.read()
            after = {name: value for name, value in before.items() if name != group}
            if entry:
                after[group] = entry
            if after != before:
                write_whole(self._path, json.dumps(after), 0o644)


def _refused(entry: dict[str, object], now: float) -> RefusedLaunch:
    at = entry["at"]
    return RefusedLaunch(
        instance_type=str(entry["instance_type"]),
        market=str(entry["market"]),
        code=str(entry["code"]),
        message=str(entry["message"]),
        seconds_ago=round(max(0.0, now - at), 1) if isinstance(at, int | float) else 0.0,
        next=str(entry["next"]),
    )
