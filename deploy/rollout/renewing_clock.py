"""A clock that renews the deploy lock while it is used. Touches AWS (DynamoDB).

It adds 1 to the lock's ``beat`` whenever it is asked for the time or sleeps, and 5 s have passed.
"""

from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from common.clients import error_code
from common.environment import Environment
from common.errors import Denied, Refused, Unanswered
from common.waiting import Clock
from deploy.rollout.lock_item import Lock, LockChanged, LockItem, NoTable

RENEW_EVERY = 5.0  # seconds
LAPSE = 30.0  # seconds without a renewal after which another deployer may take the lock
UNANSWERED = LAPSE / 2  # seconds without a renewal after which the holder stops by itself
TRY_AGAIN = 1.0  # seconds after a renewal that was not answered
DENIED = "AccessDeniedException"  # of DynamoDB: trying again does not help


class LockLost(Refused):
    """Another deployer has the lock now: stop, and roll nothing back."""

    exit_code = 2  # what was done until now stays done


class RenewingClock:
    """Fits common.waiting.Clock. Without a table it takes the lock as soon as there is one."""

    def __init__(self, item: LockItem, ours: Lock, environment: Environment, clock: Clock) -> None:
        self._item, self._ours, self._environment = item, ours, environment
        self._clock = clock
        self._held = False
        self._lost: LockLost | None = None
        self._answered = self._due = clock.now()

    def holds(self) -> None:
        """The lock was taken just now."""
        self._held = True
        self._answered = self._clock.now()
        self._due = self._answered + RENEW_EVERY

    def now(self) -> float:
        """Return seconds since the epoch."""
        self._renew_if_due()
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        """Sleep in pieces, so that the lock is renewed during a long sleep."""
        end = self._clock.now() + seconds
        self._renew_if_due()
        while (left := end - self._clock.now()) > RENEW_EVERY:
            self._clock.sleep(RENEW_EVERY)
            self._renew_if_due()
        self._clock.sleep(max(0.0, left))
        self._renew_if_due()

    def release(self, progress: Callable[[str], None]) -> None:
        """Release the lock; raises nothing, so that how the work itself ended is not hidden."""
        if not self._held or self._lost:
            return
        try:
            self._item.delete(self._ours)
        except (LockChanged, NoTable):
            return  # another deployer has it by now, or it was deleted with its table
        except Exception as error:
            progress(f"the deploy lock was not released, and lapses in {LAPSE:.0f} s: {error!r}")

    def _renew_if_due(self) -> None:
        if self._lost:
            raise self._lost
        began = self._clock.now()
        if self._answered <= began < self._due:  # a clock that was set back tells nothing
            return
        try:
            self._renew()
        except (BotoCoreError, ClientError) as error:
            self._unanswered(error)
        else:
            # Counted from before it was sent: that is what others may have seen last.
            self._answered, self._due = began, began + RENEW_EVERY

    def _renew(self) -> None:
        """Renew the lock, or take it if there is a table by now; raises LockLost."""
        try:
            if self._held:
                self._item.renew(self._ours)
            else:
                self._held = self._item.put(self._ours, over=None) or self._is_ours()
                if not self._held:
                    raise self._taken_over()
        except LockChanged:
            raise self._taken_over() from None
        except NoTable:
            self._held = False  # before the first deploy, or after a destroy

    def _is_ours(self) -> bool:
        found = self._item.read()
        return found is not None and found.token == self._ours.token

    def _taken_over(self) -> LockLost:
        name = self._environment.name
        self._lost = LockLost(
            f"another deployer took over {name}; this one has stopped",
            hint=f"invoke status --env {name} shows who; when it is done: "
            f"invoke deploy --env {name}",
        )
        return self._lost

    def _unanswered(self, error: Exception) -> None:
        """Try again soon; raise Unanswered when that has failed for too long, Denied at once."""
        now = self._clock.now()
        self._due = now + TRY_AGAIN
        denied = isinstance(error, ClientError) and error_code(error) == DENIED
        if self._held and (denied or now - self._answered >= UNANSWERED):
            raise (Denied if denied else Unanswered)(
                f"the deploy lock could not be renewed for {now - self._answered:.0f} s, "
                f"so another deployer may take it: {error}",
                hint="check the network and the permissions on the table "
                f"{self._environment.lease_table}, then deploy again",
            ) from error
