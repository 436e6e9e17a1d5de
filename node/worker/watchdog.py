"""What a raylet cannot see of itself: decides when its unit is killed, and when the instance is
handed back.

AWS only through the lease table it is given. With the worker's settings a raylet ends itself when
its head is gone or new. Left are:

* a raylet whose epoch is over: the lease says so seconds before the next head can, and until that
  one is up Ray is imported again. Where Ray's state is stored the next head knows the raylet, and
  it lives on;
* a unit that had a raylet and has none any more: after a drain ``ray start --block`` runs on
  without;
* a raylet that a live GCS does not count among the living, twice in a row: it hangs on a head of
  the past;
* a node that does not join a head that is there, however often its unit is started: handed back.

A GCS that cannot be reached says nothing about us, and one failed check is none. A node that is
leaving (departure.py) is left to end.
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
    """How this node stands with the head."""

    ALIVE = "alive"
    UNKNOWN = "unknown"  # nobody leads, or the head does not answer
    NOT_ALIVE = "stranger"  # the head answers, and we are not among the living
    NO_RAYLET = "absent"  # the head answers, and there is no raylet here


@dataclass(frozen=True)
class Timeouts:
    """Seconds, and checks."""

    check: float = 2.0  # while all is well
    check_soon: float = 1.0  # while it is not
    checks: int = 2  # as many times a stranger before anything is done
    start: float = 30.0  # a raylet that was just started, or lost, has this long
    first_raylet: float = (
        120.0  # a unit that has had no raylet yet has this long beside a live head
    )
    backoff: float = 5.0  # grows twofold with each kill up to the next
    backoff_most: float = 120.0
    give_back: float = 600.0  # so long beside a live head without being alive


TIMEOUTS = Timeouts()


class Watchdog:
    """Call ``step`` as often as it says; ``given_up`` tells why the instance is handed back."""

    def __init__(
        self,
        table: LeaseTable,
        unit: WorkerUnit,
        *,
        gcs: Callable[[str], Gcs],
        follow: Callable[[str], None],
        clock: Clock,
        log: Log,
        leaving: Callable[[LeaseItem | None, Raylet | None], bool] = lambda *_: False,
        outlives_heads: bool = False,
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        self._table, self._unit, self._gcs, self._follow = table, unit, gcs, follow
        self._leaving, self._outlives_heads = leaving, outlives_heads
        self._clock, self._log, self._timeouts = clock, log, timeouts
        self.leader: LeaseItem | None = None
        self.node_state = NodeState.UNKNOWN
        self.given_up = ""
        self._failed_checks = 0
        self._kills = 0
        self._raylet: Raylet | None = None
        self._raylet_changed = clock()
        self._had_raylet = False
        self._was_alive = False  # this very raylet, at any time
        self._epoch_is_over = False  # the one that it was alive in
        self._no_kill_before = clock()
        self._lost_since: float | None = None  # beside a live head, without being alive

    def step(self) -> float:
        """Look once, act, and return in how many seconds to look again."""
        raylet = self._look_at_unit()
        if self.node_state is not NodeState.ALIVE:
            self._look_at_lease()
        self._note(self._ask_head(raylet))
        if not self._leaving(self.leader, raylet):
            self._act(raylet)
        calm = self.node_state is NodeState.ALIVE
        seconds = self._timeouts.check if calm else self._timeouts.check_soon
        return seconds * random.uniform(0.5, 1.5)  # noqa: S311 (no secret)

    def _look_at_lease(self) -> None:
        """Follow the leader; what is known is kept while the lease cannot be read."""
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

    def _note(self, node_state: NodeState) -> None:
        """Keep count of what this check adds to."""
        if node_state is not self.node_state:
            self._log("standing", now=node_state.value, was=self.node_state.value)
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
        if now - self._lost_since >= self._timeouts.give_back:
            outside = now - self._lost_since
            self.given_up = f"not in the cluster for {outside:.0f} s beside a live head"
            self._log("giving the instance back", level=ERROR, why=self.given_up)
        elif self._failed_checks >= self._timeouts.checks and now >= self._no_kill_before:
            since = max(self._raylet_changed, self._lost_since)
            if self._was_alive or now - since >= self._start_patience(raylet):
                self._kill()

    def _start_patience(self, raylet: Raylet | None) -> float:
        """Return how long a start may take; the first of all has an unread disk before it."""
        had_one = raylet is not None or self._had_raylet
        return self._timeouts.start if had_one else self._timeouts.first_raylet

    def _kill(self) -> None:
        """End the unit, and wait before the next time, with full jitter.

        aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter
        """
        self._kills += 1
        self._failed_checks = 0
        most = min(self._timeouts.backoff_most, self._timeouts.backoff * 2.0**self._kills)
        pause = self._timeouts.start + random.uniform(0.0, most)  # noqa: S311 (no secret)
        self._no_kill_before = self._clock() + pause
        node_state = self.node_state.value
        self._log("killing the worker", level=WARNING, node_state=node_state, kills=self._kills)
        self._unit.kill()
