"""Ship this node's logs to CloudWatch Logs: the journal, one stream for each instance, and in a
thread (job_shipper.py) what jobs print. ``python -m node.logs.shipper`` in ray-logs.service. Writes
to CloudWatch Logs.

Each batch is sent until it is accepted, and only then is its last cursor written to disk: a batch
that was being sent when this process was killed is sent again, after an orderly stop none is.
Nothing is read meanwhile, so memory is bounded by one batch, and the journal keeps what waits.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import BotoCoreError, ClientError

from node import contract
from node.clients import make_client
from node.identity import BadIdentity
from node.log import ERROR, WARNING, EventLog, Log
from node.logs.batch import Batch
from node.logs.job_names import Dashboard, JobNames
from node.logs.job_shipper import POSITIONS, JobShipper, Positions, start_thread
from node.logs.origin import Origin, find_origin
from node.logs.progress import PROGRESS, Progress
from node.logs.source import JournalSource, Source, journal_command
from node.logs.stream import CloudWatchStream, Rejected

# What boots an instance and what we run on it. A pattern would only match units that have logged.
UNITS = (
    *("cloud-init-local", "cloud-init", "cloud-init-network", "cloud-init-main"),
    *("cloud-config", "cloud-final"),
    *contract.UNITS,
)
LINGER = 2.0  # seconds that a batch waits for more lines; each call costs CPU
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between attempts, doubled each time
RESTART_PAUSE = 10.0  # seconds until journalctl is started again
LAST_SECONDS = 8.0  # for what is left after SIGTERM; ray-logs.service allows ten

Clock = Callable[[], float]


class LogShipper:
    """Moves events from a source to a stream. ``open_source(cursor, follow)`` opens sources."""

    def __init__(
        self,
        open_source: Callable[[str, bool], Source],
        put: Callable[[Batch], None],
        progress: Progress,
        *,
        log: Log,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._open, self._put, self._progress = open_source, put, progress
        self._log, self._clock, self._sleep = log, clock, sleep
        self._cursor = progress.cursor()  # of the last line that was read
        self._batch, self._began = Batch(), 0.0
        self._deadline: float | None = None

    def stop(self) -> None:
        """Ship what the journal has, for LAST_SECONDS at most, and return from ``run``."""
        if self._deadline is None:
            self._deadline = self._clock() + LAST_SECONDS

    def run(self) -> None:
        """Ship until stopped."""
        while self._deadline is None:
            self._follow(self._open(self._cursor, True))
        self._drain(self._open(self._cursor, False))

    def _follow(self, source: Source) -> None:
        """Read until stopped, or until journalctl ends."""
        try:
            while self._deadline is None and not source.ended:
                self._take(source, LINGER)
                if self._batch and self._clock() - self._began >= LINGER:
                    self._ship()
        finally:
            source.close()
        if self._deadline is None:
            self._log("journalctl ended", level=WARNING)
            self._wait(RESTART_PAUSE)

    def _drain(self, source: Source) -> None:
        """Read and ship the rest."""
        try:
            while not source.ended and not self._is_over():
                self._take(source, LINGER)
        finally:
            source.close()
        self._ship()

    def _take(self, source: Source, seconds: float) -> None:
        for event in source.read(seconds):
            if not self._batch.has_room(event):
                self._ship()
            if not self._batch:
                self._began = self._clock()
            self._batch.add(event)
            self._cursor = event.cursor

    def _ship(self) -> None:
        """Send the batch until it is accepted, or time is up; then begin the next one."""
        pause = FIRST_PAUSE
        while self._batch and not self._sent():
            if self._is_over():
                return
            self._wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 (no secret)
            pause = FIRST_PAUSE if self._deadline is not None else min(2 * pause, LONGEST_PAUSE)

    def _sent(self) -> bool:
        try:
            self._put(self._batch)
        except Rejected as error:
            self._log("lines dropped", level=ERROR, count=len(self._batch), error=error)
        except (BotoCoreError, ClientError) as error:
            self._log("logs not shipped", level=WARNING, count=len(self._batch), error=error)
            return False
        self._store_progress()
        self._batch = Batch()
        return True

    def _store_progress(self) -> None:
        """Store the progress; where that fails, as on a full disk, this process still has it."""
        try:
            self._progress.write(self._batch.last.cursor, self._batch.last.at)
        except OSError as error:
            self._log("progress not stored", level=WARNING, error=error)

    def _wait(self, seconds: float) -> None:
        """Pause; return early once stopped, since every second counts then."""
        until, before = self._clock() + seconds, self._deadline
        while (left := until - self._clock()) > 0 and self._deadline == before:
            self._sleep(min(left, 0.25))

    def _is_over(self) -> bool:
        return self._deadline is not None and self._clock() >= self._deadline


def await_origin(log: Log) -> Origin:
    """Return who we are; waits for the metadata service without limit."""
    pause = FIRST_PAUSE
    while True:
        try:
            return find_origin()
        except (BadIdentity, OSError, ValueError, yaml.YAMLError) as error:
            log("no log stream yet", level=WARNING, error=error)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def ship_jobs(origin: Origin, client: Any, log: Log) -> Callable[[], None]:
    """Begin to ship what jobs print; return what stops it."""

    def open_stream(job: str) -> CloudWatchStream:
        return CloudWatchStream(client, origin.job(job), log)

    dashboard = Dashboard(origin.dashboard, Path(contract.TOKEN_FILE))
    shipper = JobShipper(open_stream, JobNames(dashboard.job), Positions(POSITIONS), log=log)
    return start_thread(shipper, lambda: os.kill(os.getpid(), signal.SIGTERM))


def main() -> int:
    """Ship until SIGTERM."""
    log = EventLog()
    origin = await_origin(log)
    stream = origin.journal()
    client = make_client("logs", stream.region)
    cloudwatch = CloudWatchStream(client, stream, log)

    def open_source(cursor: str, follow: bool) -> Source:
        return JournalSource(journal_command(UNITS, cursor, follow=follow), log)

    shipper = LogShipper(open_source, cloudwatch.put, Progress(PROGRESS), log=log)
    signal.signal(signal.SIGTERM, lambda *_: shipper.stop())
    log("shipping logs", group=stream.group, stream=stream.name)
    stop_jobs = ship_jobs(origin, client, log)
    shipper.run()
    stop_jobs()
    return 0


if __name__ == "__main__":
    sys.exit(main())
