"""Hold the head lease, or wait for it. Decides who may run Ray; AWS only through its table.

The scheme is the DynamoDB lock client's (aws.amazon.com/blogs/database/
building-distributed-locks-with-the-dynamodb-lock-client): counters in the item show that the
holder lives, and each side measures time on its own clock alone. All times below are on one
instance's clock, which must go on while the machine is suspended (CLOCK_BOOTTIME), and whose rate
may be off by as much as kill and length leave room for: with a second for systemd to end Ray, a
tenth either way. test_lease_races.py is the model of all this, and of what breaks it.

Invariant: **at no moment may two guards run Ray.** Proof:

1.  A holder may run Ray until ``sent + fence``, where ``sent`` is its clock just before it sent
    its last take or renewal that was answered with success. The item got its (epoch, beat) at some
    moment after ``sent``. A step may last two seconds, and a process may be paused anywhere for
    any time; so at ``sent + kill`` the kernel kills the guard (``die_at``), and systemd all that is
    left of Ray. That moment is absolute: no pause before or after its setting moves it, and until
    a renewal is answered the last one's stands.
2.  Another takes an unreleased epoch only after it has seen one same (epoch, beat) for ``length``
    on its own clock, counted from the return of the first read that showed it: a moment after the
    write of (1). So it takes at the earliest at ``sent + length``, which is ``length - kill``
    after the holder's end. Its write is conditional on that (epoch, beat): a read that was looked
    at long after it was answered may show what has been renewed since, and then the take fails.
3.  A renewal that took effect but was not answered only makes others wait longer; one that arrives
    after a take is refused by the epoch.
4.  A release is sent only after Ray is dead, and a guard never renews an epoch it has sent a
    release for: from then on that epoch has no holder, whenever the release arrives. So released
    epochs are taken at once.
5.  An epoch that names this instance, while this guard does not hold it, has no holder either: its
    take or release was not answered, it was fenced, or it was held by an earlier process here. In
    each case nothing of Ray runs on this instance (an earlier process's whole cgroup is dead before
    systemd starts the next: KillMode=mixed). So it is taken at once, as a new epoch.
6.  An absent item was never held (nothing deletes it); two first takes are serialized by the
    condition. A guard that has seen an item before treats its absence as a change and waits.
7.  A successor (LeaseItem.next_holder) only takes the short cuts of (4) and (5) away from everyone
    else: while an epoch names one, all others take it by (2) alone, released or not. The successor
    itself takes by (2), (4) and (5) as anyone would without it. So no head takes earlier than
    before, whichever is named and whenever the name is written or removed; and a successor that
    does not come costs ``length``, never the cluster. What a take writes names none.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from node.lease.table import LeaseItem, LeaseTable, Refused, Unknown
from node.log import WARNING, Say

Clock = Callable[[], float]


@dataclass(frozen=True)
class Terms:
    """Seconds. ``fence`` < ``kill`` < ``length``; the proof above says what the differences buy.

    Renewals, reads and retries come after at most as long as said here, see ``_spread``.
    """

    length: float = 10.0
    renew_every: float = 2.0
    fence: float = 6.0
    kill: float = 7.0
    read_every: float = 0.5


TERMS = Terms()


class Lease:
    """One guard's side of the lease: call ``step`` often, ask ``held`` before doing anything as
    head.
    """

    def __init__(
        self,
        table: LeaseTable,
        holder: str,
        address: str,
        *,
        clock: Clock,
        say: Say,
        die_at: Callable[[float | None], None] = lambda _: None,
        terms: Terms = TERMS,
    ) -> None:
        self._table, self._holder, self._address = table, holder, address
        self._clock, self._say, self._terms = clock, say, terms
        self._die_at = die_at
        self._next_call = 0.0
        self._sent = float("-inf")  # before the last answered take or renewal
        self._seen: LeaseItem | None = None
        self._seen_since = 0.0
        self._ever_seen = False
        self.autoscaler = ""  # what a take or renewal says that the holder works by
        self.epoch: int | None = None
        self.renewals = 0
        self.leader: LeaseItem | None = None  # as last read or written; for show and for tags

    @property
    def held(self) -> bool:
        """True while Ray may run here."""
        return self.epoch is not None and self._clock() < self._sent + self._terms.fence

    @property
    def successor(self) -> str:
        """Return whom we are to give the lease to, as of the last renewal; or nothing."""
        return self.leader.next_holder if self.epoch is not None and self.leader else ""

    @property
    def other(self) -> str:
        """Return the address of another that holds the lease or held it last, or nothing."""
        leader = self.leader
        return leader.address if leader and leader.holder != self._holder else ""

    @property
    def is_renewed(self) -> bool:
        """True while another was seen to renew of late: two renewals may have been missed."""
        if self.epoch is not None or self.leader is None or self.leader.released:
            return False
        return self._clock() - self._seen_since < 2 * self._terms.renew_every

    def step(self, *, wanted: bool = True) -> None:
        """Make at most one call: renew what we hold; else look, and take what is free if
        ``wanted``.
        """
        if self.epoch is not None:
            if not self.held:
                self._drop("fence time reached without a renewal")
            elif self._clock() >= self._next_call:
                self._renew(self.epoch)
        elif self._clock() >= self._next_call:
            self._next_call = self._clock() + _spread(self._terms.read_every)
            self._look_or_take(wanted)

    def release(self) -> None:
        """Give the epoch up. Call only when Ray is dead; never fails: at worst the lease lapses
        by itself. Dead as Ray is, this process may live on.
        """
        self._die_at(None)
        if self.epoch is None:
            return
        epoch, self.epoch = self.epoch, None
        self._forget()
        try:
            self._table.release(epoch, self._holder)
            self._say("lease released", epoch=epoch)
        except (Refused, Unknown) as error:
            self._say("lease not released", level=WARNING, epoch=epoch, error=error)

    def _renew(self, epoch: int) -> None:
        """Renew; an unanswered renewal is tried again within a read's time, until the fence."""
        sent = self._clock()
        try:
            item = self._table.renew(epoch, self._holder, self.autoscaler)
        except Unknown as error:
            self._next_call = self._clock() + _spread(self._terms.read_every)
            self._say("lease renewal unanswered", level=WARNING, epoch=epoch, error=error)
        except Refused:
            self._drop("another has taken it")
        else:
            self._extend(sent)
            self.leader = item

    def _look_or_take(self, wanted: bool) -> None:
        try:
            item = self._table.read()
            self._observe(item)
            if wanted and self._is_free(item):
                self._take(item)
        except Unknown as error:
            self._say("lease unreadable", level=WARNING, error=error)

    def _observe(self, item: LeaseItem | None) -> None:
        """Restart the wait whenever a counter moves; called after the read has returned."""
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
        return self._clock() - self._seen_since >= self._terms.length

    def _take(self, seen: LeaseItem | None) -> None:
        epoch = seen.epoch + 1 if seen else 1
        sent = self._clock()
        try:
            self._table.take(seen, self._holder, self._address, self.autoscaler)
        except Refused:
            self._say("lease went to another", epoch=epoch)
        else:
            self._hold(epoch, sent)

    def _hold(self, epoch: int, sent: float) -> None:
        self.epoch = epoch
        self._extend(sent)
        self.leader = LeaseItem(
            epoch, 0, self._holder, self._address, released=False, autoscaler=self.autoscaler
        )
        self._say("lease taken", epoch=epoch)

    def _extend(self, sent: float) -> None:
        """Count from ``sent`` on: until the fence, and in the kernel until the kill."""
        self._die_at(sent + self._terms.kill)
        self._sent, self._next_call = sent, sent + _spread(self._terms.renew_every)
        self.renewals += 1

    def _drop(self, why: str) -> None:
        self._say("lease lost", level=WARNING, epoch=self.epoch, why=why)
        self.epoch = None
        self._forget()

    def _forget(self) -> None:
        """Start looking afresh: what was seen before holding says nothing about now."""
        self._sent = float("-inf")
        self._seen, self._seen_since = None, self._clock()
        self._ever_seen = True
        self._next_call = self._clock()


def _spread(seconds: float) -> float:
    """Return up to a quarter less, so that heads and clusters do not call in step."""
    return seconds * random.uniform(0.75, 1.0)  # noqa: S311 (no secret)


def _beat(item: LeaseItem | None) -> tuple[int, int] | None:
    return (item.epoch, item.beat) if item else None
