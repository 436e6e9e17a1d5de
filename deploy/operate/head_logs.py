"""A head's log: its systemd journal, or the lines it shipped when it no longer answers.

Reads AWS only.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, TimedOut, Unanswered
from common.waiting import Clock
from deploy.cluster.heads import find_heads
from deploy.cluster.instance_output import console_output
from deploy.cluster.instances import find_instances
from deploy.cluster.shipped_logs import shipped_lines
from deploy.cluster.systemd_journal import LogLine, SystemdJournal

# An instance that is terminated ships its last lines while it shuts down.
SHUTDOWN_SECONDS = 120.0
EVERY = 2.0
MAX_LINES = 10_000  # that a head may have shipped since it was last read


@dataclass(frozen=True)
class LogQuery:
    """What to read; an empty ``instance_id`` means the current or last leader."""

    instance_id: str
    units: tuple[str, ...]
    lines: int
    follow: bool


@dataclass
class HeadLog:
    """Reads one head's log; no line is lost or repeated when the source changes."""

    clients: Clients
    environment: Environment
    query: LogQuery
    clock: Clock
    _shown_to: float = 0.0  # seconds since the epoch, in whole milliseconds
    _shown_last: str = ""

    def lines(self) -> Iterator[str]:
        """Yield the lines; raises PipelineError when nothing can be read or the head is lost."""
        instance_id = self.query.instance_id or self._head()
        journal = SystemdJournal(self.clients, self.clock, instance_id, self.query.units)
        newest = journal.follow if self.query.follow else journal.newest
        try:
            for line in newest(self.query.lines):
                yield self._shown(line)
        except (TimedOut, Unanswered) as error:
            yield from self._last_lines(instance_id, error)

    def _last_lines(self, instance_id: str, error: PipelineError) -> Iterator[str]:
        """Yield the lines that it shipped, or else its console."""
        following = self._shown_to > 0
        until = self.clock.now() + (SHUTDOWN_SECONDS if following else 0)
        while True:
            is_last = not self._exists(instance_id) or self.clock.now() >= until
            yield from self._shipped(instance_id)
            if is_last:
                break
            self.clock.sleep(EVERY)
        if self._shown_to and not following:
            return
        words = "" if self._shown_to else console_output(self.clients, instance_id)
        yield from words.splitlines()
        raise PipelineError(
            f"{instance_id} does not answer any more: {error.message}",
            hint=f"invoke status --env {self.environment.name} shows the leader",
        ) from error

    def _shipped(self, instance_id: str) -> Iterator[str]:
        """Yield the lines that were shipped after the last line shown."""
        lines = shipped_lines(
            self.clients,
            self.environment,
            instance_id,
            units=self.query.units,
            count=MAX_LINES if self._shown_to else self.query.lines,
            since=self._shown_to,
        )
        last = (self._shown_to, self._shown_last)
        places = [n for n, line in enumerate(lines) if (line.at, line.message) == last]
        later = [line for line in lines if line.at > self._shown_to]
        for line in lines[places[-1] + 1 :] if places else later:
            yield self._shown(line)

    def _shown(self, line: LogLine) -> str:
        """Remember the line as shown, with the millisecond that AWS keeps."""
        self._shown_to = round(line.at * 1e6) // 1000 / 1000
        self._shown_last = line.message
        return str(line)

    def _exists(self, instance_id: str) -> bool:
        found = find_instances(self.clients, self.environment.name)
        return any(instance.id == instance_id for instance in found)

    def _head(self) -> str:
        heads = find_heads(self.clients, self.environment)
        if not heads.last_leader:
            raise PipelineError(
                f"{self.environment.name} has never had a leader",
                hint="choose a head with --id; `invoke status` lists them",
            )
        return heads.last_leader
