"""What a raylet cannot see of itself: decides when to kill its unit, and when to give up the
instance.

AWS only through the lease table it is given. With the worker's settings a raylet ends itself when
its head is lost or new. The watchdog covers the rest:

* a raylet whose epoch is over is killed: the lease says so seconds before the next head can, and
  Ray is imported again before that one is up. With stored state the next head knows the raylet,
  which lives on;
* a unit that had a raylet and lost it is killed: after a drain ``ray start --block`` runs on
  without one;
* a raylet that a live GCS does not list as alive, twice in a row, is killed: it hangs on a former
  head;
* an instance that does not join a live head, however often its unit is restarted, is given up.

An unreachable GCS says nothing about this node, and one failed check does not count. A node that is
leaving (departure.py) is left alone.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from node.lease.table import LeaseItem, LeaseTable, Unknown
from node.log import ERROR, WARNING, Log
from node.ray.gcs import Gcs, NotAdmitted, Unreachable
from node.worker.unit import Raylet, WorkerUnit

Clock = Callable[[], float]


class NodeState(Enum):
    """What the head says about this node."""

    ALIVE = "alive"
    UNKNOWN = "unknown"  # no leader, or it does not answer
    NOT_ALIVE = "not alive"  # the head answers, and does not list our raylet as alive
    NO_RAYLET = "no raylet"  # the head answers, and no raylet runs here


@dataclass(frozen=True)
class Timeouts:
    """Seconds, and checks."""

    check_interval: float = 2.0  # while the node is alive
    short_interval: float = 1.0  # while it is not
    failed_checks: int = 2  # in a row, before the unit is killed
    start: float = 30.0  # for a raylet to join after it was started or lost
    first_start: float = 120.0  # for a unit's first raylet to join a live head
    backoff: float = 5.0  # doubles with each kill, up to the next
    max_backoff: float = 120.0
    give_up: float = 600.0  # with a live head, without being alive


TIMEOUTS = Timeouts()


class Watchdog:
    """Call ``step`` as often as it says; ``given_up`` is why the instance is given up, or empty."""

    def __init__(
        self,
        table: LeaseTable,
        unit: WorkerUnit,
        *,
        gcs: Callable[[str], Gcs],
        follow: Callable[[str], None],
        clock: Clock,
        log: Log,
        is_leaving: Callable[[LeaseItem | None, Raylet | None], bool] = lambda *_: False,
        outlives_heads: bool = False,
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        self._table, self._unit, self._gcs, self._follow = table, unit, gcs, follow
        self._is_leaving, self._outlives_heads = is_leaving, outlives_heads
        self._clock, self._log, self._timeouts = clock, log, timeouts
        self.leader: LeaseItem | None = None
        self.node_state = NodeState.UNKNOWN
        self.given_up = ""
        self._failed_checks = 0
        self._kills = 0
        self._raylet: Raylet | None = None
        self._raylet_changed = clock()
        self._had_raylet = False
        self._was_alive = False  # this same raylet, at any time
        self._epoch_is_over = False  # the epoch in which it was alive
        self._no_kill_before = clock()
        self._lost_since: float | None = None  # since when a live head does not list us as alive

    def step(self) -> float:
        """Check once, act, and return the seconds until the next check."""
        raylet = self._look_at_unit()
        if self.node_state is not NodeState.ALIVE:
            self._look_at_lease()
        self._record(self._ask_head(raylet))
        if not self._is_leaving(self.leader, raylet):
            self._act(raylet)
        alive = self.node_state is NodeState.ALIVE
        seconds = self._timeouts.check_interval if alive else self._timeouts.short_interval
        return seconds * random.uniform(0.5, 1.5)  # noqa: S311 (no secret)

    def _look_at_lease(self) -> None:
        """Follow the leader; keep the last one while the lease is unreadable."""
        try:
            item = self._table.read()
        except Unknown as error:
            self._log("lease unreadable", level=WARNING, error=error)
            return
        if item and self.leader and self._was_alive:
            self._epoch_is_over = item.released or item.epoch != self.leader.epoch
        if item and not item.released:
            if self.leader is None or self.leader.epoch != item.epoch:
                self._log("new leader", epoch=item.epoch, address=item.address)
                self._failed_checks = 0
            self.leader = item
            self._follow(item.address)

    def _look_at_unit(self) -> Raylet | None:
        raylet = self._unit.raylet()
        if raylet != self._raylet:
            self._raylet, self._raylet_changed = raylet, self._clock()
            self._had_raylet = self._had_raylet or raylet is not None
            self._was_alive = self._epoch_is_over = False
            self._failed_checks = 0
        return raylet

    def _ask_head(self, raylet: Raylet | None) -> NodeState:
        if self.leader is None:
            return NodeState.UNKNOWN
        gcs = self._gcs(self.leader.address)
        try:
            if raylet is None:
                return NodeState.NO_RAYLET if gcs.alive_nodes() else NodeState.UNKNOWN
            return NodeState.ALIVE if gcs.is_alive(raylet.node_id) else NodeState.NOT_ALIVE
        except NotAdmitted:
            return NodeState.NOT_ALIVE if raylet else NodeState.UNKNOWN
        except (Unreachable, ValueError):
            return NodeState.UNKNOWN

    def _record(self, node_state: NodeState) -> None:
        """Update what is counted with the outcome of this check."""
        if node_state is not self.node_state:
            self._log("node state", now=node_state.value, was=self.node_state.value)
        self.node_state = node_state
        if node_state is NodeState.ALIVE:
            self._failed_checks = self._kills = 0
            self._was_alive = True
            self._lost_since = None
        elif node_state is NodeState.UNKNOWN:
            self._failed_checks = 0
            self._lost_since = None
        else:
            self._failed_checks += 1
            self._lost_since = self._lost_since or self._clock()

    def _act(self, raylet: Raylet | None) -> None:
        now = self._clock()
        if self._epoch_is_over and raylet and not self._outlives_heads:
            self._log("epoch over: killing the worker", level=WARNING)
            self._was_alive = self._epoch_is_over = False
            self._unit.kill()
            return
        if self._lost_since is None:
            return
        if now - self._lost_since >= self._timeouts.give_up:
            lost = now - self._lost_since
            self.given_up = f"not in the cluster for {lost:.0f} s with a live head"
            self._log("giving the instance up", level=ERROR, why=self.given_up)
        elif self._failed_checks >= self._timeouts.failed_checks and now >= self._no_kill_before:
            since = max(self._raylet_changed, self._lost_since)
            if self._was_alive or now - since >= self._start_timeout(raylet):
                self._kill()

    def _start_timeout(self, raylet: Raylet | None) -> float:
        """Return how long a start may take; the very first one reads from a cold disk."""
        had_one = raylet is not None or self._had_raylet
        return self._timeouts.start if had_one else self._timeouts.first_start

    def _kill(self) -> None:
        """Kill the unit, and set the earliest next time with full jitter.

        aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter
        """
        self._kills += 1
        self._failed_checks = 0
        most = min(self._timeouts.max_backoff, self._timeouts.backoff * 2.0**self._kills)
        pause = self._timeouts.start + random.uniform(0.0, most)  # noqa: S311 (no secret)
        self._no_kill_before = self._clock() + pause
        node_state = self.node_state.value
        self._log("killing the worker", level=WARNING, node_state=node_state, kills=self._kills)
        self._unit.kill()
