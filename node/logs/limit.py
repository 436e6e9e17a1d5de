"""Bound the disk that Ray's logs take on this node. ``python -m node.logs.limit`` in
ray-log-limit.service, as the user ray. Changes files in Ray's temporary directories; no AWS.

Ray rotates what its own processes and its workers write, each file for itself
(start_settings.py). In Ray 2.60 it rotates neither the log of a driver
(ray/dashboard/modules/job/job_supervisor.py, _exec_entrypoint) nor its events
(ray/_private/event/event_logger.py), and never deletes what ended: the files of workers, and the
sessions of a Ray that was started again, with all objects that it had spilled.

It runs beside Ray and not in it: whoever prints faster than this looks has the disk until the next
look.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from node.log import WARNING, EventLog, Log
from node.logs.ray_files import ROOTS, entries, sessions

PAUSE = 5.0  # seconds between looks
FILE_BYTES = 256 * 1024 * 1024  # of one file; what Ray rotates is far smaller
KEPT_BYTES = 1024 * 1024  # of a file that is cut, at its end
MOST_BYTES = 2 * 1024**3  # of all of them, or this share of the file system if that is less
SHARE = 0.1
MOST_FILES = 1000  # each look lists them
BLOCK = 512  # stat(2), st_blocks
YOUNG = 600.0  # seconds in which a session that nothing has open may still be starting
LOGS = "logs"


@dataclass(frozen=True)
class LogFile:
    """A file of a session's logs; ``bytes`` is what it takes on the disk."""

    path: Path
    bytes: int
    changed: float


def log_files(roots: Iterable[Path] = ROOTS) -> Iterator[LogFile]:
    """Yield every file in the logs of every session."""
    for session in sessions(roots):
        for folder, _, names in os.walk(session / LOGS):
            for name in names:
                path = Path(folder, name)
                try:
                    stat = path.lstat()
                except OSError:  # deleted or moved meanwhile
                    continue
                yield LogFile(path, stat.st_blocks * BLOCK, stat.st_mtime)


def open_files(proc: Path = Path("/proc")) -> set[str]:
    """Return the paths that processes of our user have open."""
    found = set()
    for process in entries(proc):
        if not process.name.isdigit():
            continue
        for descriptor in entries(f"{process.path}/fd"):
            try:
                found.add(str(Path(descriptor.path).readlink()))
            except OSError:  # closed or ended meanwhile
                continue
    return found


def cut(path: Path) -> None:
    """Leave the last KEPT_BYTES of a file that others append to, from the start of a line.

    Lines that are written between reading and truncating are lost, as with logrotate's
    copytruncate.
    """
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - KEPT_BYTES))
        _, _, end = file.read(KEPT_BYTES).partition(b"\n")
        file.truncate(0)
    note = f"(raykiln: {size - len(end)} bytes before this line were deleted)\n"
    with path.open("ab") as file:
        file.write(note.encode() + end)


class LogLimit:
    """Keeps the logs below ``roots`` in bounds, look by look."""

    def __init__(
        self,
        roots: tuple[Path, ...] = ROOTS,
        *,
        log: Log,
        most_bytes: int = 0,
        in_use: Callable[[], set[str]] = open_files,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._roots, self._log, self._most = roots, log, most_bytes
        self._in_use, self._now = in_use, now

    def look(self) -> None:
        """Look once, and delete and cut what is too much."""
        self._delete_ended_sessions()
        files = []
        for file in log_files(self._roots):
            if file.bytes > FILE_BYTES:
                self._cut(file)
            else:
                files.append(file)
        self._make_room(files)

    def _delete_ended_sessions(self) -> None:
        """Delete what a session that ended has besides its logs: spilled objects, environments."""
        latest = {os.path.realpath(root / "session_latest") for root in self._roots}
        ended = [
            session
            for session in sessions(self._roots)
            if str(session) not in latest
            and self._now() - session.stat().st_mtime > YOUNG
            and any(entry.name != LOGS for entry in entries(session))
        ]
        used = self._in_use() if ended else set()
        for session in ended:
            if any(path.startswith(f"{session}/") for path in used):
                continue
            for entry in entries(session):
                if entry.name == LOGS:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    Path(entry.path).unlink()
            self._log("session deleted", session=session.name)

    def _most_bytes(self) -> int:
        """Return the limit for the file system of the sessions, which may be mounted late."""
        places = [root for root in self._roots if root.is_dir()]
        if self._most or not places:
            return self._most or MOST_BYTES
        return min(MOST_BYTES, int(SHARE * shutil.disk_usage(places[-1]).total))

    def _make_room(self, files: list[LogFile]) -> None:
        """Delete what nothing has open, oldest first; when that is not enough, cut the largest."""
        surplus = sum(file.bytes for file in files) - self._most_bytes()
        surplus_files = len(files) - MOST_FILES
        if surplus <= 0 and surplus_files <= 0:
            return
        used, left = self._in_use(), []
        for file in sorted(files, key=lambda file: file.changed):
            if (surplus <= 0 and surplus_files <= 0) or str(file.path) in used:
                left.append(file)
                continue
            file.path.unlink()
            surplus, surplus_files = surplus - file.bytes, surplus_files - 1
        self._log("logs deleted", level=WARNING, files=len(files) - len(left))
        for file in sorted(left, key=lambda file: file.bytes, reverse=True):
            if surplus <= 0 or file.bytes <= KEPT_BYTES:
                break
            self._cut(file)
            surplus -= file.bytes - KEPT_BYTES

    def _cut(self, file: LogFile) -> None:
        cut(file.path)
        self._log("log cut", level=WARNING, file=file.path, bytes=file.bytes)


def main() -> int:
    """Look every few seconds until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    log = EventLog()
    limit = LogLimit(log=log)
    while True:
        try:
            limit.look()
        except OSError as error:  # a file that Ray deleted or moved meanwhile
            log("logs not looked at", level=WARNING, error=error)
        time.sleep(PAUSE)


if __name__ == "__main__":
    sys.exit(main())
