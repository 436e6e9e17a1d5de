"""What every stage of a bake works with. No AWS."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from common.clients import Clients
from common.environment import Environment
from common.progress import Lines, NoLines
from common.waiting import Clock, SystemClock


@dataclass(frozen=True)
class BakeContext:
    """The environment to bake for, the clients and clock to use, and where files go.

    Files of each bake (Packer's log, software reports, test reports) go to a folder under ``home``;
    wheels come from ``cache``. ``lines`` shows a line for each image to the person who waits.
    """

    clients: Clients
    environment: Environment
    home: Path
    cache: Path
    lines: Lines = field(default_factory=NoLines)
    clock: Clock = field(default_factory=SystemClock)
    model: Path | None = None  # the documents' embedding model, where an image holds it

    def now(self) -> datetime:
        """Return the clock's time, in UTC."""
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def say(self, words: str) -> None:
        """Say what is done for all images together."""
        self.lines.say("bake", words)
