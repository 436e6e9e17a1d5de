"""Ship what jobs print on this node to CloudWatch Logs, a stream for each job and instance. Writes
to CloudWatch Logs, in a thread of node.logs.shipper.

Every few seconds it reads what is new in Ray's files, and stores how far it came once AWS has
accepted that. So a shipper that is killed between the two repeats lines, and loses none.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from node.identity import write_whole
from node.log import ERROR, WARNING, Log
from node.logs.batch import Batch, Event
from node.logs.job_lines import Allowance, News, Position, events, job_of, read_news
from node.logs.job_names import JobNames
from node.logs.ray_files import JobFile, job_files
from node.logs.stream import Rejected

POSITIONS = Path("/var/lib/ray-logs/jobs.json")  # StateDirectory of ray-logs.service
ROUND = 5.0  # seconds; each call costs CPU


class Puts(Protocol):
    """A stream of CloudWatch Logs."""

    def put(self, batch: Batch) -> None:
        """Send a batch once; raises Rejected, and botocore's errors, which may pass."""


class Positions:
    """How far each file was read, on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._of: dict[str, Position] = {}
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            self._of = {key: Position.parse(value) for key, value in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            pass  # the first boot, or a file that cannot be read: ship again what there is

    def of(self, file: JobFile) -> Position:
        """Return a file's position."""
        return self._of.setdefault(file.key, Position())

    def move(self, moved: dict[str, Position], files: Iterable[JobFile]) -> None:
        """Store new positions, and forget those of files that are gone."""
        exist = {file.key for file in files}
        self._of = {key: at for key, at in (self._of | moved).items() if key in exist}
        stored = {key: at.as_json() for key, at in self._of.items() if at.offset}
        write_whole(self._path, json.dumps(stored) + "\n", 0o644)


class JobShipper:
    """Ships what is new, round by round. ``open_stream(job)`` calls nothing by itself."""

    def __init__(
        self,
        open_stream: Callable[[str], Puts],
        names: JobNames,
        positions: Positions,
        *,
        log: Log,
        files: Callable[[], Iterable[JobFile]] = job_files,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._open, self._names, self._positions = open_stream, names, positions
        self._log, self._files, self._now = log, files, now
        self._allowance = Allowance()

    def run(self, stopped: threading.Event) -> None:
        """Ship until stopped, and once more what was printed until then."""
        while not stopped.wait(ROUND):
            self.round()
        self.round()

    def round(self) -> None:
        """Ship what is new; what fails is tried again in the next round."""
        self._allowance.grow(ROUND)
        files = list(self._files())
        jobs = self._by_job(files)
        number = sum(len(found) for found in jobs.values())
        moved: dict[str, Position] = {}
        for job, found in jobs.items():
            news = self._read(found, int(self._allowance.bytes / number))
            if self._sent(job, news.values()):
                moved |= {key: one.after for key, one in news.items()}
                self._allowance.spend(sum(one.bytes for one in news.values()))
        if moved:
            self._store(moved, files)

    def _by_job(self, files: Iterable[JobFile]) -> dict[str, list[JobFile]]:
        """Return the files with something new, old ones first, of each job with a known name."""
        jobs: dict[str, list[JobFile]] = {}
        for file in sorted(files, key=lambda file: (file.source, -file.age)):
            position = self._positions.of(file)
            position.fit(file.size)
            if file.size == position.offset:
                continue
            if job := self._job(file, position):
                jobs.setdefault(job, []).append(file)
        return jobs

    def _job(self, file: JobFile, position: Position) -> str:
        """Return the name of a file's job; empty when it has none, or it is not yet known."""
        if file.is_submission:
            return file.job
        try:
            job_id = job_of(file, position)
        except OSError:  # rotated away or deleted meanwhile
            return ""
        return self._names.name(file.session, job_id) if job_id else ""

    def _read(self, files: Iterable[JobFile], most: int) -> dict[str, News]:
        found = {}
        for file in files:
            try:
                found[file.key] = read_news(file, self._positions.of(file), most)
            except OSError as error:  # rotated away or deleted meanwhile
                self._log("log not read", level=WARNING, file=file.source, error=error)
        return found

    def _sent(self, job: str, news: Iterable[News]) -> bool:
        lines = [line for one in news for line in one.lines]
        for batch in batches(events(lines, int(self._now() * 1000))):
            try:
                self._open(job).put(batch)
            except Rejected as error:
                self._log("lines of a job dropped", level=ERROR, job=job, error=error)
            except (BotoCoreError, ClientError) as error:
                self._log("lines of a job not shipped", level=WARNING, job=job, error=error)
                return False
        return True

    def _store(self, moved: dict[str, Position], files: Iterable[JobFile]) -> None:
        try:
            self._positions.move(moved, files)
        except OSError as error:  # a full disk; this process still knows them
            self._log("positions not stored", level=WARNING, error=error)


def batches(found: Iterable[Event]) -> Iterator[Batch]:
    """Yield the events in batches of one call each."""
    batch = Batch()
    for event in found:
        if not batch.has_room(event):
            yield batch
            batch = Batch()
        batch.add(event)
    if batch:
        yield batch


def start_thread(shipper: JobShipper, ended: Callable[[], Any]) -> Callable[[], None]:
    """Run a shipper in a thread of its own; return what stops it, after its last round.

    ``ended`` is called when it ends by itself, which only a mistake of ours makes it do.
    """
    stopped = threading.Event()

    def work() -> None:
        try:
            shipper.run(stopped)
        finally:
            if not stopped.is_set():
                ended()

    thread = threading.Thread(target=work, name="jobs", daemon=True)
    thread.start()

    def stop() -> None:
        stopped.set()
        thread.join()

    return stop
