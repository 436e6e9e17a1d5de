"""Objects and who works on them: the control table's records of objects.

A claim is a random token and a time. Whoever finds the time past may take the object over; the
token is a condition of every later write, so that the former holder, should it still run, changes
nothing. Safety rests on the token alone: clocks only decide how early a lost worker is replaced.
"""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from common.waiting import Clock
from documents.control.items import CONDITION, arguments, expecting, from_item
from documents.errors import ClaimLost
from documents.identity import ObjectRef

RECEIVED, PARSED, EMBEDDED, DONE, FAILED = "RECEIVED", "PARSED", "EMBEDDED", "DONE", "FAILED"
# Over when a worker does not report it: the status of every object that still is to be indexed.
OPEN = (RECEIVED, PARSED, EMBEDDED)
HELD = "claim = :claim"
RESUME_AT = "resume_at"  # when the sweep asks for an object that waits without a message


@dataclass(frozen=True)
class Claim:
    """The right to work on one object, and what its record said when it was taken."""

    ref: ObjectRef
    token: str
    attempts: int
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def document(self) -> str:
        """The SHA-256 of what is answered from for this object; empty when nothing is."""
        return str(self.record.get("document", ""))


def stamp(clock: Clock) -> str:
    """Return the time as the tables have it: UTC, to the millisecond, in the order of strings."""
    return datetime.fromtimestamp(clock.now(), UTC).isoformat(timespec="milliseconds")


class Claims:
    """The records of objects in one control table."""

    def __init__(self, dynamodb: Any, table: str, clock: Clock, seconds: float) -> None:
        self._dynamodb, self._table, self._clock, self._seconds = dynamodb, table, clock, seconds

    def take(self, ref: ObjectRef) -> Claim | None:
        """Claim an object; None while another worker holds it. Counts as an attempt."""
        token, now = secrets.token_hex(8), stamp(self._clock)
        sets = {"claim": token, "claim_until": self._until(), "bucket": ref.bucket, "key": ref.key}
        update = arguments(
            {**sets, "updated_at": now},
            removes=(RESUME_AT,),
            adds={"attempts": 1},
            condition="attribute_not_exists(claim) OR claim_until < :now",
            now=int(self._clock.now()),
        )
        taken = self._update(ref, update)
        if taken is None:
            return None
        if "received_at" not in taken:  # no event came: the sweep or a person asked for it
            first = {"received_at": now, "day": now[:10], "status": RECEIVED}
            taken = self._update(ref, arguments(first)) or taken
        return Claim(ref, token, int(taken["attempts"]), taken)

    def renew(self, claim: Claim) -> None:
        """Keep a claim for its time once more; raises ClaimLost."""
        self._held(claim, {"claim_until": self._until()})

    def progress(self, claim: Claim, status: str, **values: Any) -> None:
        """Record how far the work is; raises ClaimLost."""
        self._held(claim, {"status": status, "updated_at": stamp(self._clock), **values})

    def release(
        self, claim: Claim, waiting: str, *, counted: bool, put_off: float | None = None
    ) -> None:
        """Give the claim back with why the work is not done; ``counted`` when it was an attempt.

        ``put_off``: the sweep asks for the object in so many seconds, and not before.
        """
        attempts = claim.attempts if counted else claim.attempts - 1
        sets = {"waiting": waiting, "attempts": attempts, "updated_at": stamp(self._clock)}
        if put_off is not None:
            sets[RESUME_AT] = int(self._clock.now() + put_off)
        self._held(claim, sets, removes=("claim", "claim_until"))

    def settle(self, claim: Claim, **values: Any) -> None:
        """End the work with this status and these values; raises ClaimLost."""
        sets = {"attempts": 0, "updated_at": stamp(self._clock), **values}
        gone = () if "text" in values else ("text",)
        self._held(claim, sets, removes=("claim", "claim_until", "waiting", "retiring", *gone))

    def asked_for(self, ref: ObjectRef) -> None:
        """Record that a message was sent for a known object."""
        changed = {"updated_at": stamp(self._clock)}
        update = arguments(changed, removes=(RESUME_AT,), condition="attribute_exists(id)")
        self._update(ref, update)

    def find(self, ref: ObjectRef) -> dict[str, Any] | None:
        """Return an object's record."""
        with expecting():
            item = self._dynamodb.get_item(
                TableName=self._table, Key={"id": {"S": ref.id}}, ConsistentRead=True
            ).get("Item")
        return from_item(item) if item else None

    def _held(self, claim: Claim, sets: dict[str, Any], removes: tuple[str, ...] = ()) -> None:
        update = arguments(sets, removes=removes, condition=HELD, claim=claim.token)
        if self._update(claim.ref, update) is None:
            raise ClaimLost(f"{claim.ref.key} was taken over by another worker")

    def _until(self) -> int:
        return int(self._clock.now() + self._seconds)

    def _update(self, ref: ObjectRef, update: dict[str, Any]) -> dict[str, Any] | None:
        """Update a record and return all of it; None when the condition does not hold."""
        try:
            with expecting(CONDITION):
                answer = self._dynamodb.update_item(
                    TableName=self._table,
                    Key={"id": {"S": ref.id}},
                    ReturnValues="ALL_NEW",
                    **update,
                )
        except ClientError:
            return None
        return from_item(answer["Attributes"])
