"""Hold the head lease, or wait for it. Decides which head may run Ray; AWS only through its table.

The scheme is the DynamoDB lock client's (aws.amazon.com/blogs/database/
building-distributed-locks-with-the-dynamodb-lock-client): counters in the item show that the
holder is alive, and each side measures time on its own clock alone. All times below are on one
instance's clock, which must go on while the machine is suspended (CLOCK_BOOTTIME). Its rate may be
off by as much as kill and length leave room for: with a second for systemd to kill Ray, a tenth
either way. test_lease_races.py models all this, and what breaks it.

Invariant: **at no moment may two guards run Ray.** Proof:

1.  A holder may run Ray until ``sent + fence``, where ``sent`` is its clock just before it sent
    its last take or renewal that was answered with success. The item got its (epoch, beat) at some
    moment after ``sent``. A step may last two seconds, and a process may be paused anywhere, for
    any time. So at ``sent + kill`` the kernel kills the guard (``set_kill_time``), and systemd all
    that is left of Ray. That moment is absolute: no pause before or after it is set moves it.
    It stays the same until a renewal is answered.
2.  Another head takes an unreleased epoch only after it has seen the same (epoch, beat) for
    ``length`` on its own clock, counted from the return of the first read that showed it: a moment
    after the write of (1). So it takes at ``sent + length`` at the earliest, which is
    ``length - kill`` after the holder's end. Its write is conditional on that (epoch, beat): a
    read may be used long after it was answered, and if the lease was renewed since, the take fails.
3.  A renewal that took effect but was not answered only makes others wait longer; one that arrives
    after a take is refused because of the epoch.
4.  A release is sent only after Ray is dead, and a guard never renews an epoch whose release it
    has sent: from then on that epoch has no holder, whenever the release arrives. So released
    epochs are taken at once.
5.  An epoch that names this instance, while this guard does not hold it, has no holder either: its
    take or release was not answered, it was fenced, or an earlier process here held it. In each
    case nothing of Ray runs on this instance (an earlier process's whole cgroup is dead before
    systemd starts the next: KillMode=mixed). So it is taken at once, as a new epoch.
6.  An absent item was never held (nothing deletes it); of two first takes the condition
    lets one through. A guard that has seen an item before treats its absence as a change and
    waits.
7.  A successor (LeaseItem.next_holder) only closes the short cuts of (4) and (5) to all other
    heads: while an epoch names one, they take it by (2) alone, released or not. The successor
    itself takes by (2), (4) and (5), as any head would without it. So no head takes earlier than
    without a successor, whichever is named and whenever the name is written or removed; and a
    successor that does not come costs ``length``, never the cluster. A take writes no successor.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from node.lease.table import LeaseItem, LeaseTable, Refused, Unknown
from node.log import WARNING, Log

Clock = Callable[[], float]


@dataclass(frozen=True)
class LeaseTimes:
    """Seconds; ``fence`` < ``kill`` < ``length``, and the proof above says why.

    Intervals are upper bounds: see ``_jittered``.
    """

    length: float = 10.0  # without a renewal, until the lease has lapsed
    renewal_interval: float = 2.0
    fence: float = 6.0  # after the last renewal: the guard stops Ray
    kill: float = 7.0  # after the last renewal: the kernel kills the guard
    read_interval: float = 0.5  # of a standby, and between retries of a renewal


LEASE_TIMES = LeaseTimes()


class Lease:
    """One guard's side of the lease: call ``step`` often, read ``held`` before acting as head."""

    def __init__(
        self,
        table: LeaseTable,
        holder: str,
        address: str,
        *,
        clock: Clock,
        log: Log,
        set_kill_time: Callable[[float | None], None] = lambda _: None,
        times: LeaseTimes = LEASE_TIMES,
    ) -> None:
        self._table, self._holder, self._address = table, holder, address
        self._clock, self._log, self._times = clock, log, times
        self._set_kill_time = set_kill_time
        self._next_call = 0.0
        self._sent = float("-inf")  # just before the last answered take or renewal
        self._seen: LeaseItem | None = None
        self._seen_since = 0.0
        self._ever_seen = False
        # Source of the holder's YAML, and the one that it refused: written with each take and
        # renewal.
        self.autoscaler = self.refused = ""
        self.epoch: int | None = None
        self.renewals = 0
        self.leader: LeaseItem | None = None  # as last read or written

    @property
    def held(self) -> bool:
        """True while Ray may run here."""
        return self.epoch is not None and self._clock() < self._sent + self._times.fence

    @property
    def successor(self) -> str:
        """Return the instance to hand the lease over to, as of the last renewal; empty: none."""
        return self.leader.next_holder if self.epoch is not None and self.leader else ""

    @property
    def other_address(self) -> str:
        """Return the address of another head that holds the lease or held it last; empty: none."""
        leader = self.leader
        return leader.address if leader and leader.holder != self._holder else ""

    @property
    def is_renewed_by_other(self) -> bool:
        """True while another head renews: this one saw a change within two intervals."""
        if self.epoch is not None or self.leader is None or self.leader.released:
            return False
        return self._clock() - self._seen_since < 2 * self._times.renewal_interval

    def step(self, *, take: bool = True) -> None:
        """Renew a held lease; else read it and, with ``take``, take it when it is free.

        Makes at most one call, or a read and a take.
        """
        if self.epoch is not None:
            if not self.held:
                self._lose("fence time reached without a renewal")
            elif self._clock() >= self._next_call:
                self._renew(self.epoch)
        elif self._clock() >= self._next_call:
            self._next_call = self._clock() + _jittered(self._times.read_interval)
            self._look_or_take(take)

    def release(self) -> None:
        """Release the epoch and disarm the kill timer. Call only when Ray is dead.

        Never fails: at worst the lease lapses.
        """
        self._set_kill_time(None)
        if self.epoch is None:
            return
        epoch, self.epoch = self.epoch, None
        self._forget()
        try:
            self._table.release(epoch, self._holder)
            self._log("lease released", epoch=epoch)
        except (Refused, Unknown) as error:
            self._log("lease not released", level=WARNING, epoch=epoch, error=error)

    def _renew(self, epoch: int) -> None:
        """Renew; an unanswered renewal is retried after a read interval, until the fence."""
        sent = self._clock()
        try:
            item = self._table.renew(epoch, self._holder, self.autoscaler, self.refused)
        except Unknown as error:
            self._next_call = self._clock() + _jittered(self._times.read_interval)
            self._log("lease renewal unanswered", level=WARNING, epoch=epoch, error=error)
        except Refused:
            self._lose("another head has taken it")
        else:
            self._extend(sent)
            self.leader = item

    def _look_or_take(self, take: bool) -> None:
        try:
            item = self._table.read()
            self._observe(item)
            if take and self._is_free(item):
                self._take(item)
        except Unknown as error:
            self._log("lease unreadable", level=WARNING, error=error)

    def _observe(self, item: LeaseItem | None) -> None:
        """Restart the wait whenever a counter has changed; call after the read has returned."""
        if item is None and not self._ever_seen:
            return
        self.leader = item
        if not self._ever_seen or _beat(item) != _beat(self._seen):
            self._seen, self._seen_since, self._ever_seen = item, self._clock(), True

    def _is_free(self, item: LeaseItem | None) -> bool:
        if item is not None and item.next_holder in ("", self._holder):
            at_once = item.released or item.holder == self._holder
            if at_once:
                return True
        if not self._ever_seen:
            return True
        return self._clock() - self._seen_since >= self._times.length

    def _take(self, seen: LeaseItem | None) -> None:
        epoch = seen.epoch + 1 if seen else 1
        sent = self._clock()
        try:
            self._table.take(seen, self._holder, self._address, self.autoscaler, self.refused)
        except Refused:
            self._log("lease went to another", epoch=epoch)
        else:
            self._hold(epoch, sent)

    def _hold(self, epoch: int, sent: float) -> None:
        self.epoch = epoch
        self._extend(sent)
        self.leader = LeaseItem(
            epoch,
            0,
            self._holder,
            self._address,
            released=False,
            autoscaler=self.autoscaler,
            refused=self.refused,
        )
        self._log("lease taken", epoch=epoch)

    def _extend(self, sent: float) -> None:
        """Move fence and kill time to their distance from ``sent``."""
        self._set_kill_time(sent + self._times.kill)
        self._sent, self._next_call = sent, sent + _jittered(self._times.renewal_interval)
        self.renewals += 1

    def _lose(self, why: str) -> None:
        self._log("lease lost", level=WARNING, epoch=self.epoch, why=why)
        self.epoch = None
        self._forget()

    def _forget(self) -> None:
        """Start to observe from now: what was seen before holding says nothing."""
        self._sent = float("-inf")
        self._seen, self._seen_since = None, self._clock()
        self._ever_seen = True
        self._next_call = self._clock()


def _jittered(seconds: float) -> float:
    """Return up to a quarter less, so that heads and clusters do not call at the same moments."""
    return seconds * random.uniform(0.75, 1.0)  # noqa: S311 (no secret)


def _beat(item: LeaseItem | None) -> tuple[int, int] | None:
    return (item.epoch, item.beat) if item else None
