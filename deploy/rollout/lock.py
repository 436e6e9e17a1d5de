"""One deployer per environment at a time: a lock beside the head lease. Touches AWS (DynamoDB).

The holder renews the lock while it works (renewing_clock.py). Another deployer may take the lock
over once it has watched ``(token, beat)`` stay the same for LAPSE (30 s) on its own clock: then the
holder is dead. No two machines' clocks are compared, as with the head lease
(docs/adr/0001-head-lease.md); ``since`` is only shown.

The lock keeps two deployers from working against each other; it guarantees nothing, as a deployer
that was stopped for longer than LAPSE may finish a call that is under way before it learns of its
loss. That is why every step of a rollout also reads before it acts.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from common.actor import actor
from common.clients import Clients, translated
from common.environment import Environment
from common.errors import Refused
from common.waiting import Clock
from deploy.rollout.lock_item import Lock, LockItem, NoTable
from deploy.rollout.renewing_clock import LAPSE, TRY_AGAIN, RenewingClock

Progress = Callable[[str], None]


def find_lock(clients: Clients, environment: Environment) -> Lock | None:
    """Return the lock, read consistently; None if no deployer holds it."""
    with translated(f"reading the deploy lock in {environment.lease_table}"):
        try:
            return LockItem(clients, environment).read()
        except NoTable:
            return None


@contextmanager
def deploy_lock(
    clients: Clients,
    environment: Environment,
    purpose: str,
    *,
    clock: Clock,
    progress: Progress = lambda words: None,
    break_it: bool = False,
) -> Iterator[Clock]:
    """Hold the environment's lock; yields the clock to work by, which renews it.

    Without a table there is no lock; it is taken as soon as the table exists. Raises Refused within
    some seconds if another deployer is alive; a dead one's lock is taken over after LAPSE, and with
    ``break_it`` any lock at once.

    The clock raises LockLost, at every call, once another deployer has taken the lock, and
    PipelineError if AWS has not answered a renewal for UNANSWERED seconds. Whatever must go on
    after that (to record how it ended) uses ``clock``, the one given.
    """
    ours = Lock(f"{actor()} (process {os.getpid()})", uuid4().hex, purpose, clock.now(), 0)
    item = LockItem(clients, environment)
    renewing = RenewingClock(item, ours, environment, clock)
    with translated(f"taking the deploy lock in {environment.lease_table}"):
        try:
            _Attempt(item, ours, environment.name, clock, progress).take(break_it=break_it)
        except NoTable:
            pass
        else:
            renewing.holds()
    try:
        yield renewing
    except (Exception, KeyboardInterrupt, SystemExit):
        renewing.release(progress)
        raise
    # No one catches anything else that is raised: as after a kill -9, the lock is left to lapse.
    renewing.release(progress)


@dataclass(frozen=True)
class _Attempt:
    """Takes the lock ``ours``, if no living deployer holds it. Raises NoTable."""

    item: LockItem
    ours: Lock
    environment: str
    clock: Clock
    progress: Progress

    def take(self, *, break_it: bool) -> None:
        """Take the lock; raises Refused while another deployer holds it."""
        broken = None
        while not self.item.put(self.ours, over=None):
            found = self.item.read()
            if found is None:
                continue  # released a moment ago
            if found.token == self.ours.token:
                return  # our own put, whose answer was lost
            if break_it and broken in (None, found.token):
                broken = found.token  # only this one was to be broken, not one that follows it
            else:
                self._await_lapse(found)
            self.progress(f"taking the lock over from {found.words(self.clock.now())}")
            if self.item.put(self.ours, over=found):
                return

    def _await_lapse(self, found: Lock) -> None:
        """Return once the lock was not renewed for LAPSE; raises Refused if its holder lives."""
        began = self.clock.now()
        while (passed := self.clock.now() - began) < LAPSE:
            words = found.words(self.clock.now())
            self.progress(f"locked by {words}; not renewed for {passed:.0f} s")
            self.clock.sleep(min(TRY_AGAIN, LAPSE - passed))
            now = self.item.read()
            if now is None:
                return
            if (now.token, now.beat) != (found.token, found.beat):
                raise self._refused(now)

    def _refused(self, lock: Lock) -> Refused:
        name = self.environment
        return Refused(
            f"another deployer is changing {name}: {lock.words(self.clock.now())}",
            hint=f"wait until it is done, or stop it; to take the lock over at once: "
            f"invoke deploy --env {name} --break-lock",
        )
