"""What every stage of a bake works with. No AWS."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from common.clients import Clients
from common.environment import Environment
from common.waiting import Clock, SystemClock


@dataclass(frozen=True)
class BakeContext:
    """The environment to bake for, the clients and clock to use, and where files go.

    Files of each bake (Packer's log, software reports, test reports) go to a folder under ``home``;
    wheels come from ``cache``. ``progress`` is called with words for the person who waits.
    """

    clients: Clients
    environment: Environment
    home: Path
    cache: Path
    progress: Callable[[str], None] = lambda words: None
    clock: Clock = field(default_factory=SystemClock)

    def now(self) -> datetime:
        """Return the clock's time, in UTC."""
        return datetime.fromtimestamp(self.clock.now(), UTC)
