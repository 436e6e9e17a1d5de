"""The deploy lock's item in DynamoDB: what it holds, and the writes on condition. Touches AWS.

The item ENV#deploy of the environment's lease table. The roles of head and workers may use the item
ENV alone (``dynamodb:LeadingKeys`` in the foundation's template), so no instance can touch it.
"""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from common.clients import Clients, error_code
from common.environment import Environment


class LockChanged(Exception):
    """The condition of a write does not hold: the item is not as expected."""


class NoTable(Exception):
    """The table does not exist, or not yet."""


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


class LockItem:
    """Reads and writes the item.

    Every call raises NoTable or botocore's errors, and all writes but ``put`` raise LockChanged.
    """

    def __init__(self, clients: Clients, environment: Environment) -> None:
        self._clients, self._table = clients, environment.lease_table
        self._key = {"cluster": {"S": f"{environment.name}#deploy"}}

    def read(self) -> Lock | None:
        """Return the lock, read consistently; None if no deployer holds it."""
        answer = self._call("get_item", Key=self._key, ConsistentRead=True)
        return _lock(answer["Item"]) if "Item" in answer else None

    def put(self, lock: Lock, *, over: Lock | None) -> bool:
        """Write the lock in place of ``over``, or of none; False if the item is another."""
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
        try:
            self._call("put_item", Item={**self._key, **_item(lock)}, **condition)
        except LockChanged:
            return False
        return True

    def renew(self, lock: Lock) -> None:
        """Add 1 to the beat."""
        values = {":one": {"N": "1"}, ":token": {"S": lock.token}}
        self._change("update_item", UpdateExpression="SET beat = beat + :one", values=values)

    def delete(self, lock: Lock) -> None:
        """Delete the item."""
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
            return dict(call(TableName=self._table, **arguments))
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                raise LockChanged from error
            if error_code(error) == "ResourceNotFoundException":
                raise NoTable from error
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
    """Return a length of time as people say it."""
    seconds = max(0.0, seconds)  # the other machine's clock may be ahead
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
