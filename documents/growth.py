"""How many nodes a group should have, by what waits for each. Pure: no AWS, no Ray, no clock.

The rule is that of the tasks on Fargate, whose number follows a target (docs.aws.amazon.com/
autoscaling/application/userguide/target-tracking-scaling-policy-overview.html): so many nodes that
no more messages than the target wait for each, more of them once that has been so for a minute,
fewer only after a quarter of an hour in which fewer were enough all along.
"""

import math
from collections import deque

from documents.settings import Settings


class Growth:
    """The number of nodes, between the settings' least and most; ``now`` is in seconds."""

    def __init__(self, settings: Settings, nodes: int, now: float) -> None:
        self._settings, self._began = settings, now
        self.wanted = self._within(nodes)
        self._needs = deque[tuple[float, int]]()

    def step(self, waiting: int, now: float) -> int:
        """Return how many nodes there should be, now that so many messages wait."""
        self._needs.append((now, self._within(math.ceil(waiting / self._target))))
        while self._needs[0][0] < now - self._longest:
            self._needs.popleft()
        lasting = min(self._of(self._settings.grow_seconds, now), default=0)
        enough = max(self._of(self._settings.shrink_seconds, now), default=self.wanted)
        self.wanted = max(min(self.wanted, enough), lasting)
        return self.wanted

    def _of(self, seconds: float, now: float) -> list[int]:
        """Return what was needed in the last seconds; nothing before so many have gone by."""
        if now - self._began < seconds:
            return []
        return [need for at, need in self._needs if at >= now - seconds]

    @property
    def _target(self) -> int:
        return self._settings.backlog_per_worker

    @property
    def _longest(self) -> float:
        return max(self._settings.grow_seconds, self._settings.shrink_seconds)

    def _within(self, number: int) -> int:
        least = self._settings.workers_min
        return max(least, min(number, self._settings.workers_max or number))
