"""The head guard's words: what it is doing, how long it waits, how it ends. Pure: no AWS."""

from dataclasses import dataclass
from enum import Enum

STOPPED, FAILED, UNFIT = 0, 1, 64  # exit codes; ray-head.service does not restart after UNFIT


class Phase(Enum):
    """What the guard is doing."""

    PREPARING = "preparing"
    STANDBY = "standby"
    TAGGING = "tagging"
    STARTING = "starting"
    LEADING = "leading"
    STOPPING = "stopping"
    ENDED = "ended"


@dataclass(frozen=True)
class Limits:
    """Seconds, and how many lives Ray has."""

    prepare: float = 120.0
    start: float = 120.0
    check_every: float = 2.0
    unhealthy: float = 10.0  # so long may Ray not answer
    heartbeat: float = 60.0
    autoscaler: float = 5.0  # between two looks at the tag that names its YAML
    rest: float = 8.0  # before a head that has handed over warms up: the next one needs the CPU
    pause: float = 3.0  # before we compete again for a lease we gave up; a standby comes first
    failures: int = 3
    failures_within: float = 600.0


LIMITS = Limits()


@dataclass(frozen=True)
class Status:
    """What /status shows."""

    phase: str
    healthy: bool
    epoch: int | None
    leader: str
    leader_address: str
    failures: int
    successor: str = ""
