"""Have Ray drain this node when AWS is about to terminate the instance, or advises to replace it.
Reads the metadata service.

There are two notices: a spot instance's interruption, two minutes ahead, to be polled every five
seconds (docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html);
and the target lifecycle state that its Auto Scaling group, if it has one, gives it
(docs.aws.amazon.com/autoscaling/ec2/userguide/retrieving-target-lifecycle-state-through-imds.html).
A rebalance recommendation is advice: the spot instance is at elevated risk, and no one terminates
it (docs.aws.amazon.com/AWSEC2/latest/UserGuide/rebalance-recommendations.html). So it leaves by
itself, as far as its group follows the advice: once it is idle Ray's autoscaler terminates it, and
at the deadline it is given up.

A draining node gets no new work and finishes what it can; nothing may restart it then. Ray's
autoscaler no longer counts it, and launches another while it drains, where the group's minimum or
waiting work asks for one (ray/autoscaler/v2/scheduler.py, SchedulingNode.is_schedulable, Ray 2.60).
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
REBALANCE = "meta-data/events/recommendations/rebalance"
GROUP = "meta-data/autoscaling/target-lifecycle-state"
GRACE = 120.0  # seconds that a group's notice is assumed to leave, the same as spot's
EVERY = 5.0
PREEMPTION = 2  # DRAIN_NODE_REASON_PREEMPTION, ray/protobuf/autoscaler.proto; never refused


@dataclass(frozen=True)
class Notice:
    """What will happen to this instance, and when (seconds since the epoch).

    ``is_advice``: no one but this node itself makes it happen.
    """

    what: str
    at: float
    is_advice: bool = False


def find_notice(metadata: Metadata, now: float, rebalance_seconds: float = 0.0) -> Notice | None:
    """Return the most urgent notice, if any.

    ``rebalance_seconds``: how long a node at elevated risk may finish its work; 0 ignores the risk.
    Raises NoMetadata, and ValueError or KeyError on nonsense.
    """
    if spot := metadata(SPOT):
        action = json.loads(spot)
        return Notice(f"spot interruption: {action['action']}", _seconds(action["time"]))
    if metadata(GROUP) == "Terminated":
        return Notice("its Auto Scaling group terminates it", now + GRACE)
    if rebalance_seconds and (advice := metadata(REBALANCE)):
        at = _seconds(json.loads(advice)["noticeTime"]) + rebalance_seconds
        return Notice("rebalance recommendation", at, is_advice=True)
    return None


def _seconds(time: str) -> float:
    return datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()


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
        rebalance_seconds: float = 0.0,
    ) -> None:
        self._metadata, self._drain, self._unreachable = metadata, drain, unreachable
        self._clock, self._wall_clock, self._log = clock, wall_clock, log
        self._rebalance_seconds = rebalance_seconds
        self._next_look = clock()
        self._notice: Notice | None = None
        self._drained: tuple[str, bytes] | None = None  # the head's address and the node's id
        self.is_overdue = False  # advised to leave, and not idle in time: give the instance up

    def step(self, leader: LeaseItem | None, raylet: Raylet | None) -> bool:
        """Say whether this instance is leaving, and have its head drain it."""
        if self._clock() >= self._next_look:
            self._next_look = self._clock() + EVERY
            self._look()
        if self._notice and leader and raylet:
            self._drain_node(leader.address, raylet.node_id, self._notice)
        if self._notice and self._notice.is_advice and self._wall_clock() >= self._notice.at:
            self.is_overdue = True
            self._log("giving the instance up", level=WARNING, why=f"{self._notice.what}: overdue")
        return self._notice is not None

    def _look(self) -> None:
        """Read the notice; keep the last one while the metadata service does not answer."""
        try:
            now = self._wall_clock()
            notice = find_notice(self._metadata(), now, self._rebalance_seconds)
        except (NoMetadata, ValueError, KeyError) as error:
            self._log("notice unreadable", level=WARNING, error=error)
            return
        if (notice and notice.what) != (self._notice and self._notice.what):
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
