"""For how long no head answered: Ray is asked at the stable name whenever a wait tells something.

Asks the cluster; no AWS.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from common.progress import Progress
from common.waiting import Clock
from deploy.cluster.client_gap import Try, longest
from deploy.cluster.ray_api import RayApi, RayNode, Unreachable


@dataclass
class HeadGap:
    """A progress that passes on what it is told, and asks Ray each time."""

    api: Callable[[], RayApi]
    clock: Clock
    progress: Progress
    _tries: list[Try] = field(default_factory=list)

    def begin(self, title: str) -> None:
        """See common.progress.Progress."""
        self.progress.begin(title)

    def say(self, words: str) -> None:
        """Pass it on, and ask."""
        self.progress.say(words)
        self.nodes()

    def end(self, outcome: str) -> None:
        """See common.progress.Progress."""
        self.progress.end(outcome)

    def nodes(self) -> tuple[RayNode, ...]:
        """Ask; return Ray's nodes, none when nobody answers."""
        try:
            found = self.api().nodes()
        except Unreachable:
            found = ()
        answered = any(node.leads for node in found)
        self._tries.append(Try(self.clock.now(), answered))
        return found

    @property
    def seconds(self) -> float | None:
        """Return the longest time without an answer; None when no head answered at first."""
        if not (self._tries and self._tries[0].answered):
            return None
        gap = longest(tuple(self._tries))
        return gap.seconds if gap else 0.0
