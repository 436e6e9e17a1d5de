"""What a head says, for an operator: its journal, and when it no longer answers what it shipped.

Reads AWS.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, TimedOut, Unanswered
from common.waiting import Clock
from deploy.cluster.heads import find_heads
from deploy.cluster.last_words import console_of
from deploy.cluster.shipped_logs import shipped_lines
from deploy.cluster.state import find_instances
from deploy.cluster.systemd_journal import Line, Reader

# A machine that is ended ships its last lines while it shuts down.
SHUTDOWN_SECONDS = 120.0
EVERY = 2.0
MANY = 10_000  # lines that a head may have shipped since it was last read


@dataclass(frozen=True)
class LogQuery:
    """What an operator asks for: an empty ``instance_id`` means whoever leads, or led last."""

    instance_id: str
    units: tuple[str, ...]
    lines: int
    follow: bool


@dataclass
class HeadLog:
    """Reads one head's log to its end; no line is lost or repeated where the source changes."""

    clients: Clients
    environment: Environment
    wish: LogQuery
    clock: Clock
    _shown_to: float = 0.0  # seconds since the epoch, in whole milliseconds
    _shown_last: str = ""

    def lines(self) -> Iterator[str]:
        """Yield line after line; raises PipelineError when nothing can be had or the head ends."""
        instance_id = self.wish.instance_id or self._head()
        reader = Reader(self.clients, self.clock, instance_id, self.wish.units)
        newest = reader.follow if self.wish.follow else reader.newest
        try:
            for line in newest(self.wish.lines):
                yield self._shown(line)
        except (TimedOut, Unanswered) as error:
            yield from self._last(instance_id, error)

    def _last(self, instance_id: str, error: PipelineError) -> Iterator[str]:
        """Yield what it shipped, or else what its console said."""
        following = self._shown_to > 0
        until = self.clock.now() + (SHUTDOWN_SECONDS if following else 0)
        while True:
            gone = not self._is_there(instance_id) or self.clock.now() >= until
            yield from self._shipped(instance_id)
            if gone:
                break
            self.clock.sleep(EVERY)
        if self._shown_to and not following:
            return
        words = "" if self._shown_to else console_of(self.clients, instance_id)
        yield from words.splitlines()
        raise PipelineError(
            f"{instance_id} does not answer any more: {error.message}",
            hint=f"invoke status --env {self.environment.name} shows who leads",
        ) from error

    def _shipped(self, instance_id: str) -> Iterator[str]:
        """Yield what was shipped after the line that was shown last."""
        lines = shipped_lines(
            self.clients,
            self.environment,
            instance_id,
            units=self.wish.units,
            count=MANY if self._shown_to else self.wish.lines,
            since=self._shown_to,
        )
        last = (self._shown_to, self._shown_last)
        places = [n for n, line in enumerate(lines) if (line.at, line.message) == last]
        later = [line for line in lines if line.at > self._shown_to]
        for line in lines[places[-1] + 1 :] if places else later:
            yield self._shown(line)

    def _shown(self, line: Line) -> str:
        """Remember what was shown last, by the millisecond, which is what AWS keeps."""
        self._shown_to = round(line.at * 1e6) // 1000 / 1000
        self._shown_last = line.message
        return str(line)

    def _is_there(self, instance_id: str) -> bool:
        found = find_instances(self.clients, self.environment.name)
        return any(instance.id == instance_id for instance in found)

    def _head(self) -> str:
        heads = find_heads(self.clients, self.environment)
        if not heads.last_leader:
            raise PipelineError(
                f"no head of {self.environment.name} has ever led",
                hint="--id chooses one: invoke status lists them",
            )
        return heads.last_leader
