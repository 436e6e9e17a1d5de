"""Have Ray drain this node when AWS is about to terminate the instance. Reads the metadata
service.

There are two notices: a spot instance's interruption, two minutes ahead, to be polled every five
seconds (docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html);
and the target lifecycle state that its Auto Scaling group, if it has one, gives it
(docs.aws.amazon.com/autoscaling/ec2/userguide/retrieving-target-lifecycle-state-through-imds.html).
A draining node gets no new work and finishes what it can; nothing may restart it then.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from node.contract import DRAINING
from node.identity import Metadata, NoMetadata
from node.lease.table import LeaseItem
from node.log import WARNING, Log
from node.ray.protobuf import counted, varint_field
from node.worker.unit import Raylet

SPOT = "meta-data/spot/instance-action"
GROUP = "meta-data/autoscaling/target-lifecycle-state"
GRACE = 120.0  # seconds that a group's notice is assumed to leave, the same as spot's
EVERY = 5.0
PREEMPTION = 2  # DRAIN_NODE_REASON_PREEMPTION, ray/protobuf/autoscaler.proto; never refused


@dataclass(frozen=True)
class Notice:
    """What will happen to this instance, and when (seconds since the epoch)."""

    what: str
    at: float


def find_notice(metadata: Metadata, now: float) -> Notice | None:
    """Return the notice, if any; raises NoMetadata, and ValueError or KeyError on nonsense."""
    if spot := metadata(SPOT):
        action = json.loads(spot)
        at = datetime.strptime(action["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        return Notice(f"spot interruption: {action['action']}", at.timestamp())
    if metadata(GROUP) == "Terminated":
        return Notice("its Auto Scaling group terminates it", now + GRACE)
    return None


def drain_request(node_id: bytes, notice: Notice) -> bytes:
    """Return DrainNodeRequest of Ray's autoscaler.proto: node, reason, message, deadline in ms."""
    return (
        counted(1, node_id)
        + varint_field(2, PREEMPTION)
        + counted(3, notice.what.encode()[:100])
        + varint_field(4, round(notice.at * 1000))
    )


class Departure:
    """Call ``step`` with each check of the node; ``drain`` raises what Gcs does."""

    def __init__(
        self,
        *,
        metadata: Callable[[], Metadata],
        drain: Callable[[str, bytes], bool],
        unreachable: tuple[type[Exception], ...],
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        log: Log,
    ) -> None:
        self._metadata, self._drain, self._unreachable = metadata, drain, unreachable
        self._clock, self._wall_clock, self._log = clock, wall_clock, log
        self._next_look = clock()
        self._notice: Notice | None = None
        self._drained: tuple[str, bytes] | None = None  # the head's address and the node's id

    def step(self, leader: LeaseItem | None, raylet: Raylet | None) -> bool:
        """Say whether this instance is leaving, and have its head drain it."""
        if self._clock() >= self._next_look:
            self._next_look = self._clock() + EVERY
            self._look()
        if self._notice and leader and raylet:
            self._drain_node(leader.address, raylet.node_id, self._notice)
        return self._notice is not None

    def _look(self) -> None:
        """Read the notice; keep the last one while the metadata service does not answer."""
        try:
            notice = find_notice(self._metadata(), self._wall_clock())
        except (NoMetadata, ValueError, KeyError) as error:
            self._log("notice unreadable", level=WARNING, error=error)
            return
        if (notice is None) != (self._notice is None):
            self._log("departure", level=WARNING, why=notice.what if notice else "cancelled")
            self._notice, self._drained = notice, None

    def _drain_node(self, address: str, node_id: bytes, notice: Notice) -> None:
        """Once for each node and head: the next head does not know of it."""
        if self._drained == (address, node_id):
            return
        try:
            accepted = self._drain(address, drain_request(node_id, notice))
        except self._unreachable as error:
            self._log("not drained yet", level=WARNING, error=error)
            return
        self._drained = (address, node_id)
        self._log(DRAINING, level=WARNING, why=notice.what, accepted=accepted)
