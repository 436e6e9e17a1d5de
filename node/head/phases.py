"""What the head guard can be doing, how long it waits, and how it exits. Pure: no AWS."""

from dataclasses import dataclass
from enum import Enum

from node.ray.launches import RefusedLaunch

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
    """Seconds, and how often Ray may fail."""

    prepare_timeout: float = 120.0
    start_timeout: float = 120.0  # from taking the lease to tagged, and from there to healthy
    check_interval: float = 2.0  # between health checks of Ray
    unhealthy_timeout: float = 10.0  # without an answer from Ray
    heartbeat_interval: float = 60.0
    # Under a minute, so that each has one: the highest would be the leader's 0 otherwise.
    standing_by_interval: float = 50.0
    autoscaler_interval: float = 5.0  # between reads of the tag that names its YAML
    round_check_interval: float = 10.0  # between questions for the autoscaler's newest round
    round_timeout: float = 60.0  # without a new one; the autoscaler completes one every 5 s
    autoscaler_restart_interval: float = 120.0  # while there is still none
    warm_up_delay: float = 8.0  # after a hand-over, since the next head needs the CPU
    failure_pause: float = 3.0  # before competing again for the lease; a standby comes first
    max_failures: int = 3
    failure_window: float = 600.0


LIMITS = Limits()


@dataclass(frozen=True)
class AutoscalerStatus:
    """What /status shows of Ray's autoscaler; names as in node/contract.py."""

    working: bool | None
    rounds: int
    seconds_since_round: float
    refused: dict[str, RefusedLaunch]


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
    autoscaler: AutoscalerStatus | None = None  # only of a leader
