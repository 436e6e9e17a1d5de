"""New lines of Ray's files, and how much of them is shipped. No AWS.

A job may print more than anyone would read or pay for, so a node ships a certain amount a second.
Of what is more, the newest lines are shipped, since they tell why a job failed, with a line that
says how much is missing.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from node.contract import JOB_FILE, JOB_TASK, LINE_MESSAGE
from node.logs.batch import Event, shortened
from node.logs.limit import KEPT_BYTES
from node.logs.ray_files import NO_JOB, JobFile

BYTES_A_SECOND = 64 * 1024  # of this node, on average
BURST_BYTES = 4 * 1024 * 1024  # that may come at once
LONGEST_LINE = 64 * 1024
# Lines in which a worker says what it runs (ray/_private/ray_constants.py, LOG_PREFIX_...).
TASK_MARKS = (b":task_name:", b":actor_name:")
JOB_MARK = b":job_id:"


class Allowance:
    """How many bytes may be shipped now: it grows with time, up to BURST_BYTES."""

    def __init__(self) -> None:
        self.bytes = float(BURST_BYTES)

    def grow(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.bytes = min(BURST_BYTES, self.bytes + seconds * BYTES_A_SECOND)

    def spend(self, spent: int) -> None:
        """Take away what was read."""
        self.bytes = max(0.0, self.bytes - spent)


@dataclass
class Position:
    """How far a file was read; ``job`` and ``task`` are what its process said there that it runs.

    ``seen`` is the size that the file had then.
    """

    offset: int = 0
    job: str = ""
    task: str = ""
    seen: int = 0

    def fit(self, size: int) -> None:
        """Go back when a file is shorter than this: it was cut, and what it kept was read."""
        if size < self.offset:
            self.offset = min(size, KEPT_BYTES)

    @classmethod
    def parse(cls, value: Any) -> "Position":
        """Return a position as ``as_json`` wrote it; raises TypeError and ValueError."""
        offset, job, task = value
        return cls(int(offset), str(job), str(task), int(offset))

    def as_json(self) -> list[Any]:
        """Return what ``parse`` reads."""
        return [self.offset, self.job, self.task]


@dataclass
class News:
    """New lines of one file, and the position after them."""

    after: Position
    lines: list[str] = field(default_factory=list)
    bytes: int = 0


def job_of(file: JobFile, position: Position) -> str:
    """Return Ray's id of the job that a worker's file belongs to; empty for none yet.

    The name of a worker that was started before there was work has none; its first line has it.
    """
    if file.job != NO_JOB:
        return file.job
    if not position.job:
        with file.path.open("rb") as opened:
            first = opened.readline(LONGEST_LINE)
        if first.startswith(JOB_MARK):
            position.job = first.removeprefix(JOB_MARK).strip().decode("ascii", "replace")
    return position.job


def read_news(file: JobFile, position: Position, most: int) -> News:
    """Read what is new in a file, the last ``most`` bytes of it; raises OSError.

    A line that is not yet complete waits until the file no longer grows.
    """
    news = News(replace(position, seen=file.size))
    skipped = max(0, file.size - position.offset - most)
    with file.path.open("rb") as opened:
        opened.seek(position.offset + skipped)
        data = opened.read(min(most, file.size - position.offset))
    news.bytes = len(data)
    start = data.find(b"\n") + 1 if skipped else 0
    end = data.rfind(b"\n") + 1
    if end <= start and (file.size == position.seen or len(data) >= LONGEST_LINE):
        end = len(data)
    end = max(end, start)
    if skipped:
        missing = skipped + start
        news.lines.append(_line(file, position.task, f"(raykiln: {missing} bytes are not shipped)"))
    for line in data[start:end].splitlines():
        _add(news, file, line)
    news.after.offset = position.offset + skipped + end
    return news


def _add(news: News, file: JobFile, line: bytes) -> None:
    for mark in TASK_MARKS:
        if line.startswith(mark):
            news.after.task = line.removeprefix(mark).decode("utf-8", "replace")
            return
    if line.startswith(JOB_MARK):
        news.after.job = line.removeprefix(JOB_MARK).decode("ascii", "replace")
    elif line:
        text = line.decode("utf-8", "replace")
        news.lines.append(_line(file, news.after.task, text))


def _line(file: JobFile, task: str, message: str) -> str:
    line = {JOB_FILE: file.label} | ({JOB_TASK: task} if task else {})
    return json.dumps(line | {LINE_MESSAGE: shortened(message)}, ensure_ascii=False)


def events(lines: list[str], now_ms: int) -> list[Event]:
    """Return lines as events of one moment: most of what jobs print has no time of its own."""
    return [Event(now_ms, line, "") for line in lines]
