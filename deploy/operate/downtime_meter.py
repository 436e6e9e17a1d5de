"""Measure client downtime: probe Ray at the stable name whenever a wait reports progress.

Reads the cluster; no AWS.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from common.progress import Progress
from common.waiting import Clock
from deploy.cluster.client_downtime import Probe, longest_downtime
from deploy.cluster.ray_api import RayApi, RayNode, TokenRefused, Unreachable


@dataclass
class DowntimeMeter:
    """A Progress that forwards to another, and probes Ray with every message."""

    api: Callable[[], RayApi]
    clock: Clock
    progress: Progress
    _probes: list[Probe] = field(default_factory=list)

    def begin(self, title: str) -> None:
        """See common.progress.Progress."""
        self.progress.begin(title)

    def say(self, words: str) -> None:
        """Forward the words, and probe."""
        self.progress.say(words)
        self.nodes()

    def end(self, outcome: str) -> None:
        """See common.progress.Progress."""
        self.progress.end(outcome)

    def nodes(self) -> tuple[RayNode, ...]:
        """Probe; return Ray's nodes, none when Ray does not answer, or refuses the token."""
        try:
            found = self.api().nodes()
        except (Unreachable, TokenRefused):
            found = ()
        answered = any(node.leads for node in found)
        self._probes.append(Probe(self.clock.now(), answered))
        return found

    @property
    def seconds(self) -> float | None:
        """Return the longest downtime; None when no head answered the first probe."""
        if not (self._probes and self._probes[0].answered):
            return None
        downtime = longest_downtime(tuple(self._probes))
        return downtime.seconds if downtime else 0.0
