"""One deployer an environment at a time: a lock beside the head lease. Touches AWS (DynamoDB).

The item ENV#deploy of the environment's lease table. The roles of head and workers may use the item
ENV alone (``dynamodb:LeadingKeys`` in the foundation's template), so no instance can touch it.

The holder adds 1 to ``beat`` while it works: whenever it asks its clock for the time or sleeps, and
5 s have passed. Somebody else may take over once it has watched ``(token, beat)`` stand still for
LAPSE on its own clock: then the holder is dead. No two machines' clocks are compared, as with the
head lease (docs/adr/0001-head-lease.md); ``since`` is there to be shown alone.

The lock keeps two deployers from working against each other; it proves nothing, as a deployer that
was stopped for longer than LAPSE may finish a call that is under way before it learns of its loss.
That is why every step of a rollout also reads before it acts.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from common.actor import actor
from common.clients import Clients, error_code, translated
from common.environment import Environment
from common.errors import PipelineError, Refused
from common.waiting import Clock

RENEW_EVERY = 5.0  # seconds
LAPSE = 30.0  # seconds that a lock must stand still until it is a dead deployer's
UNANSWERED = LAPSE / 2  # seconds without a renewal after which the holder gives up by itself
TRY_AGAIN = 1.0  # seconds after a renewal that was not answered
DENIED = "AccessDeniedException"  # of DynamoDB: trying again does not help

Progress = Callable[[str], None]


class LockLost(Refused):
    """Another deployer has the lock now: stop, and undo nothing."""

    exit_code = 2  # what was done until now stays done


class _Held(Exception):
    """The condition did not hold: the item is not what it was thought to be."""


class _NoTable(Exception):
    """The table is not there, or not yet."""


@dataclass(frozen=True)
class Lock:
    """Who holds the lock and what for; ``since`` is in seconds since the epoch, by its clock."""

    holder: str
    token: str
    purpose: str
    since: float
    beat: int

    def words(self, now: float) -> str:
        """Return who, for how long and what for, in one line."""
        return f"{self.holder}, for {_span(now - self.since)}: {self.purpose}"


def find_lock(clients: Clients, environment: Environment) -> Lock | None:
    """Return the lock, read consistently; None when nobody holds it."""
    table = _Table(clients, environment)
    with translated(f"reading the deploy lock in {environment.lease_table}"):
        try:
            return table.read()
        except _NoTable:
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
    """Hold the environment's lock; yields the clock to work by, which keeps it.

    Before there is a table there is no lock; it is taken as soon as the table is there. Raises
    Refused when another deployer is at work, which is known within some seconds; a dead one's
    lock is taken over after LAPSE, and with ``break_it`` any at once.

    The clock raises LockLost, at every call, once another has taken the lock, and PipelineError
    when AWS has not answered a renewal for UNANSWERED seconds. Whoever must go on after that
    (to write down how it ended) uses ``clock``, the one given.
    """
    ours = Lock(f"{actor()} (process {os.getpid()})", uuid4().hex, purpose, clock.now(), 0)
    table = _Table(clients, environment)
    keeper = _Keeper(table, ours, environment, clock)
    with translated(f"taking the deploy lock in {environment.lease_table}"):
        try:
            _take(table, ours, environment, clock, progress, break_it=break_it)
        except _NoTable:
            pass
        else:
            keeper.holds()
    try:
        yield keeper
    except (Exception, KeyboardInterrupt, SystemExit):
        keeper.release(progress)
        raise
    # Whatever else is raised nobody catches: as after a kill -9, the lock is left to lapse.
    keeper.release(progress)


def _take(
    table: "_Table",
    ours: Lock,
    environment: Environment,
    clock: Clock,
    progress: Progress,
    *,
    break_it: bool,
) -> None:
    """Take the lock; raises Refused while somebody is at work, and _NoTable."""
    broken = None
    while not _put(table, ours, over=None):
        found = table.read()
        if found is None:
            continue  # given back a moment ago
        if found.token == ours.token:
            return  # our own, whose answer was lost
        if break_it and broken in (None, found.token):
            broken = found.token  # nobody has asked to stop the one after it
        else:
            _watch(table, found, environment, clock, progress)
        progress(f"taking the lock over from {found.words(clock.now())}")
        if _put(table, ours, over=found):
            return


def _watch(
    table: "_Table", found: Lock, environment: Environment, clock: Clock, progress: Progress
) -> None:
    """Return once the lock has stood still for LAPSE; raises Refused when its holder lives."""
    began = clock.now()
    while (passed := clock.now() - began) < LAPSE:
        progress(f"locked by {found.words(clock.now())}; no sign of life for {passed:.0f} s")
        clock.sleep(min(TRY_AGAIN, LAPSE - passed))
        now = table.read()
        if now is None:
            return
        if (now.token, now.beat) != (found.token, found.beat):
            raise _at_work(now, environment, clock)


def _at_work(lock: Lock, environment: Environment, clock: Clock) -> Refused:
    name = environment.name
    return Refused(
        f"another deployer is at work on {name}: {lock.words(clock.now())}",
        hint=f"wait until it is done, or stop it; if it must not go on: "
        f"invoke deploy --env {name} --break-lock",
    )


class _Keeper:
    """A clock that keeps the lock while it is used. Fits common.waiting.Clock."""

    def __init__(self, table: "_Table", ours: Lock, environment: Environment, clock: Clock) -> None:
        self._table, self._ours, self._environment = table, ours, environment
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
        self._keep()
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        """Sleep in pieces, so that the lock is kept through a long one."""
        end = self._clock.now() + seconds
        self._keep()
        while (left := end - self._clock.now()) > RENEW_EVERY:
            self._clock.sleep(RENEW_EVERY)
            self._keep()
        self._clock.sleep(max(0.0, left))
        self._keep()

    def release(self, progress: Progress) -> None:
        """Give the lock back; what fails here must not hide how the work itself ended."""
        if not self._held or self._lost:
            return
        try:
            self._table.delete(self._ours)
        except (_Held, _NoTable):
            return  # it is another's by now, or went with its table
        except Exception as error:
            progress(f"the deploy lock was not given back, and lapses in {LAPSE:.0f} s: {error!r}")

    def _keep(self) -> None:
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
        """Renew, or take the lock when there is a table at last; raises LockLost."""
        try:
            if self._held:
                self._table.renew(self._ours)
            else:
                self._held = _put(self._table, self._ours, over=None) or self._is_ours()
                if not self._held:
                    raise self._gone()
        except _Held:
            raise self._gone() from None
        except _NoTable:
            self._held = False  # before the first deploy, or after a destroy

    def _is_ours(self) -> bool:
        found = self._table.read()
        return found is not None and found.token == self._ours.token

    def _gone(self) -> LockLost:
        name = self._environment.name
        self._lost = LockLost(
            f"another deployer took over {name}; this one has stopped",
            hint=f"invoke status --env {name} shows who; when it is done: "
            f"invoke deploy --env {name}",
        )
        return self._lost

    def _unanswered(self, error: Exception) -> None:
        """Try again soon; stop when that has been of no use for long, or will never be of any."""
        now = self._clock.now()
        self._due = now + TRY_AGAIN
        denied = isinstance(error, ClientError) and error_code(error) == DENIED
        if self._held and (denied or now - self._answered >= UNANSWERED):
            raise PipelineError(
                f"the deploy lock could not be renewed for {now - self._answered:.0f} s, "
                f"so that another deployer may take it: {error}",
                hint="check the network and the permissions on the table "
                f"{self._environment.lease_table}, then deploy again",
            ) from error


def _put(table: "_Table", ours: Lock, *, over: Lock | None) -> bool:
    """Write our lock in place of ``over``; False when something else is there."""
    try:
        table.put(ours, over)
    except _Held:
        return False
    return True


class _Table:
    """The lock's item; every call raises _NoTable, the writes also _Held, or botocore's errors."""

    def __init__(self, clients: Clients, environment: Environment) -> None:
        self._clients, self._name = clients, environment.lease_table
        self._key = {"cluster": {"S": f"{environment.name}#deploy"}}

    def read(self) -> Lock | None:
        answer = self._call("get_item", Key=self._key, ConsistentRead=True)
        return _lock(answer["Item"]) if "Item" in answer else None

    def put(self, lock: Lock, over: Lock | None) -> None:
        condition: dict[str, Any] = {
            "ConditionExpression": "attribute_not_exists(#token)",
            "ExpressionAttributeNames": {"#token": "token"},
        }
        if over:
            condition = {
                "ConditionExpression": "#token = :token AND beat = :beat",
                "ExpressionAttributeNames": {"#token": "token"},
                "ExpressionAttributeValues": {
                    ":token": {"S": over.token},
                    ":beat": {"N": str(over.beat)},
                },
            }
        self._call("put_item", Item={**self._key, **_item(lock)}, **condition)

    def renew(self, lock: Lock) -> None:
        values = {":one": {"N": "1"}, ":token": {"S": lock.token}}
        self._change("update_item", UpdateExpression="SET beat = beat + :one", values=values)

    def delete(self, lock: Lock) -> None:
        self._change("delete_item", values={":token": {"S": lock.token}})

    def _change(self, method: str, values: dict[str, Any], **arguments: Any) -> None:
        self._call(
            method,
            Key=self._key,
            ConditionExpression="#token = :token",
            ExpressionAttributeNames={"#token": "token"},  # a reserved word of DynamoDB's
            ExpressionAttributeValues=values,
            **arguments,
        )

    def _call(self, method: str, **arguments: Any) -> dict[str, Any]:
        call = getattr(self._clients("dynamodb"), method)
        try:
            return dict(call(TableName=self._name, **arguments))
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                raise _Held from error
            if error_code(error) == "ResourceNotFoundException":
                raise _NoTable from error
            raise


def _item(lock: Lock) -> dict[str, Any]:
    return {
        "holder": {"S": lock.holder},
        "token": {"S": lock.token},
        "purpose": {"S": lock.purpose},
        "since": {"N": f"{lock.since:.0f}"},
        "beat": {"N": str(lock.beat)},
    }


def _lock(item: dict[str, Any]) -> Lock:
    return Lock(
        holder=item.get("holder", {}).get("S", ""),
        token=item.get("token", {}).get("S", ""),
        purpose=item.get("purpose", {}).get("S", ""),
        since=float(item.get("since", {}).get("N", 0)),
        beat=int(item.get("beat", {}).get("N", 0)),
    )


def _span(seconds: float) -> str:
    """Return a length of time as a person says it."""
    seconds = max(0.0, seconds)  # the other machine's clock may be ahead
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
