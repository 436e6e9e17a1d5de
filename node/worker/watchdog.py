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
from node.log import ERROR, WARNING, Say
from node.ray.gcs import Gcs, NotAdmitted, Unreachable
from node.worker.unit import Raylet, WorkerUnit

Clock = Callable[[], float]


class Standing(Enum):
    """How this node stands with the head."""

    ALIVE = "alive"
    UNKNOWN = "unknown"  # nobody leads, or the head does not answer
    STRANGER = "stranger"  # the head answers, and we are not among the living
    ABSENT = "absent"  # the head answers, and there is no raylet here


@dataclass(frozen=True)
class Patience:
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


PATIENCE = Patience()


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
        say: Say,
        leaving: Callable[[LeaseItem | None, Raylet | None], bool] = lambda *_: False,
        outlives_heads: bool = False,
        patience: Patience = PATIENCE,
    ) -> None:
        self._table, self._unit, self._gcs, self._follow = table, unit, gcs, follow
        self._leaving, self._outlives_heads = leaving, outlives_heads
        self._clock, self._say, self._patience = clock, say, patience
        self.leader: LeaseItem | None = None
        self.standing = Standing.UNKNOWN
        self.given_up = ""
        self._strikes = 0
        self._kills = 0
        self._raylet: Raylet | None = None
        self._raylet_changed = clock()
        self._had_raylet = False
        self._was_alive = False  # this very raylet, at any time
        self._epoch_is_over = False  # the one that it was alive in
        self._no_kill_before = clock()
        self._outside_since: float | None = None  # beside a live head, without being alive

    def step(self) -> float:
        """Look once, act, and return in how many seconds to look again."""
        raylet = self._look_at_unit()
        if self.standing is not Standing.ALIVE:
            self._look_at_lease()
        self._note(self._ask_head(raylet))
        if not self._leaving(self.leader, raylet):
            self._act(raylet)
        calm = self.standing is Standing.ALIVE
        seconds = self._patience.check if calm else self._patience.check_soon
        return seconds * random.uniform(0.5, 1.5)  # noqa: S311 (no secret)

    def _look_at_lease(self) -> None:
        """Follow the leader; what is known is kept while the lease cannot be read."""
        try:
            item = self._table.read()
        except Unknown as error:
            self._say("lease unreadable", level=WARNING, error=error)
            return
        if item and self.leader and self._was_alive:
            self._epoch_is_over = item.released or item.epoch != self.leader.epoch
        if item and not item.released:
            if self.leader is None or self.leader.epoch != item.epoch:
                self._say("new leader", epoch=item.epoch, address=item.address)
                self._strikes = 0
            self.leader = item
            self._follow(item.address)

    def _look_at_unit(self) -> Raylet | None:
        raylet = self._unit.raylet()
        if raylet != self._raylet:
            self._raylet, self._raylet_changed = raylet, self._clock()
            self._had_raylet = self._had_raylet or raylet is not None
            self._was_alive = self._epoch_is_over = False
            self._strikes = 0
        return raylet

    def _ask_head(self, raylet: Raylet | None) -> Standing:
        if self.leader is None:
            return Standing.UNKNOWN
        gcs = self._gcs(self.leader.address)
        try:
            if raylet is None:
                return Standing.ABSENT if gcs.alive_nodes() else Standing.UNKNOWN
            return Standing.ALIVE if gcs.is_alive(raylet.node_id) else Standing.STRANGER
        except NotAdmitted:
            return Standing.STRANGER if raylet else Standing.UNKNOWN
        except (Unreachable, ValueError):
            return Standing.UNKNOWN

    def _note(self, standing: Standing) -> None:
        """Keep count of what this check adds to."""
        if standing is not self.standing:
            self._say("standing", now=standing.value, was=self.standing.value)
        self.standing = standing
        if standing is Standing.ALIVE:
            self._strikes = self._kills = 0
            self._was_alive = True
            self._outside_since = None
        elif standing is Standing.UNKNOWN:
            self._strikes = 0
            self._outside_since = None
        else:
            self._strikes += 1
            self._outside_since = self._outside_since or self._clock()

    def _act(self, raylet: Raylet | None) -> None:
        now = self._clock()
        if self._epoch_is_over and raylet and not self._outlives_heads:
            self._say("epoch over: killing the worker", level=WARNING)
            self._was_alive = self._epoch_is_over = False
            self._unit.kill()
            return
        if self._outside_since is None:
            return
        if now - self._outside_since >= self._patience.give_back:
            outside = now - self._outside_since
            self.given_up = f"not in the cluster for {outside:.0f} s beside a live head"
            self._say("giving the instance back", level=ERROR, why=self.given_up)
        elif self._strikes >= self._patience.checks and now >= self._no_kill_before:
            since = max(self._raylet_changed, self._outside_since)
            if self._was_alive or now - since >= self._start_patience(raylet):
                self._kill()

    def _start_patience(self, raylet: Raylet | None) -> float:
        """Return how long a start may take; the first of all has an unread disk before it."""
        had_one = raylet is not None or self._had_raylet
        return self._patience.start if had_one else self._patience.first_raylet

    def _kill(self) -> None:
        """End the unit, and wait before the next time, with full jitter.

        aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter
        """
        self._kills += 1
        self._strikes = 0
        most = min(self._patience.backoff_most, self._patience.backoff * 2.0**self._kills)
        pause = self._patience.start + random.uniform(0.0, most)  # noqa: S311 (no secret)
        self._no_kill_before = self._clock() + pause
        standing = self.standing.value
        self._say("killing the worker", level=WARNING, standing=standing, kills=self._kills)
        self._unit.kill()
