"""The head lease in DynamoDB: one item for each environment, with consistent reads and conditional
writes.

Its attributes are in node/contract.py. Deployers set and remove ``successor``, by update_item under
the condition that the epoch is the one they saw and is not released. DynamoDB's TTL is not used: it
deletes days late,
docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html
"""

from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from node.clients import error_code
from node.contract import (
    LEASE_ADDRESS,
    LEASE_AUTOSCALER,
    LEASE_BEAT,
    LEASE_EPOCH,
    LEASE_HOLDER,
    LEASE_KEY,
    LEASE_REFUSED,
    LEASE_RELEASED,
    LEASE_SUCCESSOR,
)


@dataclass(frozen=True)
class LeaseItem:
    """The holder, and the two counters that show without any clock that it is alive."""

    epoch: int
    beat: int
    holder: str
    address: str
    released: bool
    successor: str = ""  # the instance that the epoch is to be handed over to
    autoscaler: str = ""  # source of the autoscaler's YAML that the holder uses
    refused: str = ""  # source of the one that it cannot use, and why

    @property
    def next_holder(self) -> str:
        """Return the successor; empty when it is the holder itself."""
        return "" if self.successor == self.holder else self.successor


class Refused(Exception):
    """The condition did not hold: the write did not and will not take effect."""


class Unknown(Exception):
    """No answer says whether the call took effect; it may still do so later."""


class LeaseTable(Protocol):
    """Each call raises Unknown; the writes also Refused."""

    def read(self) -> LeaseItem | None:
        """Return the item as of some moment between call and return."""

    def take(
        self, seen: LeaseItem | None, holder: str, address: str, autoscaler: str, refused: str
    ) -> None:
        """Write the next epoch, without a successor, if epoch and beat are still as ``seen``."""

    def renew(self, epoch: int, holder: str, autoscaler: str, refused: str) -> LeaseItem:
        """Add one to beat, if the epoch is still this holder's; return the item as it then was."""

    def release(self, epoch: int, holder: str) -> None:
        """Mark the epoch as released, if it is still this holder's."""


class DynamoLeaseTable:
    """The lease of one environment in its table."""

    def __init__(self, dynamodb: Any, table: str, environment: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._key = {LEASE_KEY: {"S": environment}}

    def read(self) -> LeaseItem | None:
        answer = self._call("get_item", Key=self._key, ConsistentRead=True)
        return _parsed(answer["Item"]) if "Item" in answer else None

    def take(
        self, seen: LeaseItem | None, holder: str, address: str, autoscaler: str, refused: str
    ) -> None:
        condition: dict[str, Any] = {"ConditionExpression": f"attribute_not_exists({LEASE_EPOCH})"}
        if seen:
            condition = {
                "ConditionExpression": f"{LEASE_EPOCH} = :epoch AND {LEASE_BEAT} = :beat",
                "ExpressionAttributeValues": {
                    ":epoch": {"N": str(seen.epoch)},
                    ":beat": {"N": str(seen.beat)},
                },
            }
        item = {
            **self._key,
            LEASE_EPOCH: {"N": str(seen.epoch + 1 if seen else 1)},
            LEASE_BEAT: {"N": "0"},
            LEASE_HOLDER: {"S": holder},
            LEASE_ADDRESS: {"S": address},
            LEASE_RELEASED: {"BOOL": False},
            LEASE_AUTOSCALER: {"S": autoscaler},
            LEASE_REFUSED: {"S": refused},
        }
        self._call("put_item", Item=item, **condition)

    def renew(self, epoch: int, holder: str, autoscaler: str, refused: str) -> LeaseItem:
        change = (
            f"SET {LEASE_BEAT} = {LEASE_BEAT} + :one, {LEASE_AUTOSCALER} = :autoscaler, "
            f"{LEASE_REFUSED} = :refused"
        )
        values = {
            ":one": {"N": "1"},
            ":autoscaler": {"S": autoscaler},
            ":refused": {"S": refused},
        }
        return _parsed(self._update(change, epoch, holder, values)["Attributes"])

    def release(self, epoch: int, holder: str) -> None:
        self._update(f"SET {LEASE_RELEASED} = :yes", epoch, holder, {":yes": {"BOOL": True}})

    def _update(
        self, change: str, epoch: int, holder: str, values: dict[str, Any]
    ) -> dict[str, Any]:
        return self._call(
            "update_item",
            Key=self._key,
            UpdateExpression=change,
            ConditionExpression=f"{LEASE_EPOCH} = :epoch AND {LEASE_HOLDER} = :holder",
            ExpressionAttributeValues={
                **values,
                ":epoch": {"N": str(epoch)},
                ":holder": {"S": holder},
            },
            ReturnValues="ALL_NEW",
        )

    def _call(self, name: str, **arguments: Any) -> dict[str, Any]:
        try:
            return dict(getattr(self._dynamodb, name)(TableName=self._table, **arguments))
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                raise Refused from error
            raise Unknown(f"{name}: {error}") from error
        except BotoCoreError as error:
            raise Unknown(f"{name}: {error}") from error


def _parsed(item: dict[str, Any]) -> LeaseItem:
    return LeaseItem(
        epoch=int(item[LEASE_EPOCH]["N"]),
        beat=int(item[LEASE_BEAT]["N"]),
        holder=item[LEASE_HOLDER]["S"],
        address=item[LEASE_ADDRESS]["S"],
        released=item[LEASE_RELEASED]["BOOL"],
        successor=item.get(LEASE_SUCCESSOR, {}).get("S", ""),
        autoscaler=item.get(LEASE_AUTOSCALER, {}).get("S", ""),
        refused=item.get(LEASE_REFUSED, {}).get("S", ""),
    )
