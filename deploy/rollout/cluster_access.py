"""How a rollout reaches its cluster: clients, environment, clock and progress. Reads AWS only."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from common.clients import Clients
from common.environment import Environment
from common.progress import Progress
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.head_group import HeadGroup, find_group

T = TypeVar("T")

EVERY = 2.0  # seconds between two looks


@dataclass(frozen=True)
class ClusterAccess:
    """What every step of a rollout needs."""

    clients: Clients
    environment: Environment
    clock: Clock
    progress: Progress

    def head_group(self) -> HeadGroup | None:
        """Return the heads' group with its lifecycle hook, or None."""
        environment = self.environment
        return find_group(self.clients, environment.head_group, environment.names.lifecycle_hook)

    def wait_until(
        self,
        what: str,
        look: Callable[[], Seen[T]],
        *,
        seconds: float,
        hint: str,
        every: float = EVERY,
    ) -> T:
        """Wait as common.waiting.wait_for does, by this clock, and tell the progress."""
        return wait_for(
            what,
            look,
            clock=self.clock,
            seconds=seconds,
            every=every,
            hint=hint,
            progress=self.progress.say,
        )
