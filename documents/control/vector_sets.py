"""Which vectors serve: the control table's records of documents and of sets of vectors.

Every pass over a document writes its vectors under a name of its own. One transaction then makes
the object answer from that set and no longer from its former document, so that at each moment
exactly one of them answers (docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-
apis.html: transactions, and reads of several items by TransactGetItems, are serializable). What
no longer serves is STALE, and is deleted afterwards.
"""

from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from common.waiting import Clock
from documents.control.claims import DONE, HELD, Claim, stamp
from documents.control.items import (
    CANCELLED,
    CONDITION,
    arguments,
    cancellations,
    expecting,
    from_item,
    to_item,
)
from documents.errors import ClaimLost, Unavailable
from documents.identity import document_id, new_vector_set, vector_set_id

WRITING, SERVING, STALE = "WRITING", "SERVING", "STALE"
REMOVED = "REMOVED"
# TransactGetItems takes up to 100 items.
AT_ONCE = 100
CONFLICTS = 8
NO_MORE = ("reason", "moved_to", "expires_at", "waiting")


class VectorSets:
    """The documents and the sets of vectors in one control table."""

    def __init__(self, dynamodb: Any, table: str, clock: Clock) -> None:
        self._dynamodb, self._table, self._clock = dynamodb, table, clock

    def find(self, sha256: str) -> dict[str, Any] | None:
        """Return a document's record."""
        with expecting():
            item = self._dynamodb.get_item(
                TableName=self._table, Key=_key(document_id(sha256)), ConsistentRead=True
            ).get("Item")
        return from_item(item) if item else None

    def start(self, claim: Claim, sha256: str) -> str:
        """Record a new set before its first vector is written; return its name."""
        name = new_vector_set(sha256)
        values = {
            "id": vector_set_id(name),
            "status": WRITING,
            "document": sha256,
            "object": claim.ref.id,
            "reserved": 0,
            "updated_at": stamp(self._clock),
        }
        with expecting():
            self._dynamodb.put_item(TableName=self._table, Item=to_item(values))
        return name

    def reserve(self, name: str, count: int) -> None:
        """Record that up to so many vectors may be written; raises ClaimLost if it was given up."""
        sets = {"reserved": count, "updated_at": stamp(self._clock)}
        if not self._update(vector_set_id(name), sets, expected=WRITING):
            raise ClaimLost(f"the vectors {name} were given up as those of a lost worker")

    def switch(self, claim: Claim, sha256: str, name: str, **values: Any) -> bool:
        """Let the object answer from these vectors, and no longer from what it had before.

        ``values`` describe the document. Return False when another object's worker has finished
        the same content first: join it then. Raises ClaimLost.
        """
        described = {"id": document_id(sha256), "objects": {claim.ref.id}, "vector_set": name}
        put = {"Item": to_item({**described, **values}), "ConditionExpression": ABSENT}
        serves = arguments(
            {"status": SERVING, "updated_at": stamp(self._clock)},
            condition="#status = :writing",
            writing=WRITING,
        )
        writes = [{"Put": put}, self._change(vector_set_id(name), serves)]
        return self._switch(claim, sha256, writes)

    def join(self, claim: Claim, sha256: str) -> bool:
        """Let the object answer from a document that is there; False when it no longer is."""
        added = arguments(adds={"objects": {claim.ref.id}}, condition="attribute_exists(id)")
        return self._switch(claim, sha256, [self._change(document_id(sha256), added)])

    def leave(self, claim: Claim, status: str = REMOVED) -> None:
        """Let nothing answer for the object any more: it was deleted, or failed.

        Raises ClaimLost.
        """
        update = arguments(
            {"status": status, "retiring": claim.document},
            removes=("document", *(NO_MORE if status == REMOVED else ())),
            condition=HELD,
            claim=claim.token,
        )
        self._transact([self._change(claim.ref.id, update), *self._departure(claim, "")])

    def retire(self, sha256: str) -> None:
        """Delete a document's record if no object has it, and let its vectors be STALE."""
        found = self.find(sha256)
        if not found or found.get("objects"):
            return
        gone = {"Key": _key(document_id(sha256)), "ConditionExpression": UNUSED}
        stale = arguments({"status": STALE, "updated_at": stamp(self._clock)})
        self._transact(
            [{"Delete": gone}, self._change(vector_set_id(found["vector_set"]), stale)],
            expected=(CONDITION_FAILED,),
        )

    def give_up(self, name: str) -> None:
        """Let a set that is being written be STALE; one that serves is left alone."""
        sets = {"status": STALE, "updated_at": stamp(self._clock)}
        self._update(vector_set_id(name), sets, expected=WRITING)

    def reserved(self, name: str) -> int:
        """Return how many vectors of a STALE set may be there; 0 for any other set."""
        with expecting():
            item = self._dynamodb.get_item(
                TableName=self._table, Key=_key(vector_set_id(name)), ConsistentRead=True
            ).get("Item", {})
        found = from_item(item)
        return int(found["reserved"]) if found.get("status") == STALE else 0

    def forget(self, name: str) -> None:
        """Delete the record of a STALE set, once its vectors are deleted."""
        try:
            with expecting(CONDITION):
                self._dynamodb.delete_item(
                    TableName=self._table,
                    Key=_key(vector_set_id(name)),
                    ConditionExpression="#status = :stale",
                    ExpressionAttributeNames={"#status": "status"},
                    ExpressionAttributeValues={":stale": {"S": STALE}},
                )
        except ClientError:
            return

    def serving(self, sha256s: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the documents that are answered from, all as of one moment, by SHA-256."""
        wanted = list(dict.fromkeys(sha256s))[:AT_ONCE]
        reads = [
            {"Get": {"TableName": self._table, "Key": _key(document_id(sha256))}}
            for sha256 in wanted
        ]
        for _ in range(CONFLICTS if wanted else 0):
            try:
                with expecting(CANCELLED):
                    answers = self._dynamodb.transact_get_items(TransactItems=reads)["Responses"]
            except ClientError:
                self._clock.sleep(0.05)  # a switch is under way
                continue
            found = [from_item(one.get("Item", {})) for one in answers]
            return {s: f for s, f in zip(wanted, found, strict=True) if f.get("objects")}
        if wanted:
            raise Unavailable("the control table is busy")
        return {}

    def _switch(self, claim: Claim, sha256: str, writes: list[dict[str, Any]]) -> bool:
        former = {} if claim.document in ("", sha256) else {"retiring": claim.document}
        update = arguments(
            {"status": DONE, "document": sha256, **former},
            removes=NO_MORE,
            condition=HELD,
            claim=claim.token,
        )
        return self._transact(
            [self._change(claim.ref.id, update), *writes, *self._departure(claim, sha256)],
            expected=(CONDITION_FAILED,),
        )

    def _departure(self, claim: Claim, to: str) -> list[dict[str, Any]]:
        """Return the write that takes the object from the document that it had."""
        if not claim.document or claim.document == to:
            return []
        taken = arguments(deletes={"objects": {claim.ref.id}})
        return [self._change(document_id(claim.document), taken)]

    def _change(self, item: str, update: dict[str, Any]) -> dict[str, Any]:
        return {"Update": {"Key": _key(item), **update}}

    def _transact(self, writes: list[dict[str, Any]], expected: tuple[str, ...] = ()) -> bool:
        """Write all or nothing; False when a condition but that of the first item fails.

        The first item is the object's where a claim is needed: raises ClaimLost for it.
        """
        for write in writes:
            for change in write.values():
                change["TableName"] = self._table
        for _ in range(CONFLICTS):
            try:
                with expecting(CANCELLED):
                    self._dynamodb.transact_write_items(TransactItems=writes)
                return True
            except ClientError as error:
                codes = cancellations(error)
            if "TransactionConflict" not in codes:
                break
            self._clock.sleep(0.05)
        else:
            raise Unavailable("the control table is busy")
        if codes[:1] == [CONDITION_FAILED] and "Update" in writes[0]:
            raise ClaimLost("the object was taken over by another worker")
        if set(codes) - {"None", *expected}:
            raise Unavailable(f"DynamoDB cancelled a transaction: {', '.join(codes)}")
        return False

    def _update(self, item: str, sets: dict[str, Any], expected: str) -> bool:
        update = arguments(sets, condition="#status = :expected", expected=expected)
        update["ExpressionAttributeNames"] |= {"#status": "status"}
        try:
            with expecting(CONDITION):
                self._dynamodb.update_item(TableName=self._table, Key=_key(item), **update)
        except ClientError:
            return False
        return True


ABSENT = "attribute_not_exists(id)"
UNUSED = "attribute_not_exists(objects)"
CONDITION_FAILED = "ConditionalCheckFailed"


def _key(item: str) -> dict[str, Any]:
    return {"id": {"S": item}}
