"""Who did what when (append only), how much was done by day, and the day's budget of tokens."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal
from typing import Any

from botocore.exceptions import ClientError

from common.waiting import Clock
from documents.control.claims import stamp
from documents.control.items import CONDITION, arguments, expecting, from_item, to_item
from documents.control.tables import TTL
from documents.errors import OverBudget

DAY = 86_400
MILLIONTH = Decimal("0.000001")


class Audit:
    """Entries of who did what to which object; none is ever changed."""

    def __init__(self, dynamodb: Any, table: str, clock: Clock, days: int) -> None:
        self._dynamodb, self._table, self._clock, self._days = dynamodb, table, clock, days

    def add(self, object_id: str, who: str, what: str, **details: Any) -> None:
        """Append an entry; ``at`` has digits of its own, so that two of one moment both stay."""
        values = {
            "object": object_id,
            "at": f"{stamp(self._clock)}#{secrets.token_hex(4)}",
            "who": who,
            "what": what,
            TTL: int(self._clock.now()) + self._days * DAY,
            **details,
        }
        with expecting():
            self._dynamodb.put_item(
                TableName=self._table,
                Item=to_item(values),
                ConditionExpression="attribute_not_exists(#at)",
                ExpressionAttributeNames={"#at": "at"},
            )

    def entries(self, object_id: str) -> Iterator[dict[str, Any]]:
        """Yield an object's entries, oldest first."""
        with expecting():
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="#object = :object",
                ExpressionAttributeNames={"#object": "object"},
                ExpressionAttributeValues={":object": {"S": object_id}},
            )
            for page in pages:
                yield from map(from_item, page["Items"])


def shown(entry: dict[str, Any]) -> dict[str, str]:
    """Return an entry for a person: when, who and what, and all else as ``details``."""
    known = ("object", "at", "who", "what", TTL)
    details = ", ".join(str(value) for name, value in entry.items() if name not in known)
    at = str(entry["at"]).partition("#")[0]
    return {"at": at, "who": str(entry["who"]), "what": str(entry["what"]), "details": details}


class Metrics:
    """Counters by day (UTC): documents, failed, pages, chunks, tokens, seconds, dollars."""

    def __init__(self, dynamodb: Any, table: str, clock: Clock) -> None:
        self._dynamodb, self._table, self._clock = dynamodb, table, clock

    def add(self, **counts: float) -> None:
        """Add to the counters of today."""
        self._add({name: Decimal(str(round(count, 6))) for name, count in counts.items()})

    def _add(self, adds: dict[str, Any]) -> None:
        with expecting():
            self._dynamodb.update_item(
                TableName=self._table, Key=self._today(), **arguments(adds=adds)
            )

    def of_day(self, day: str) -> dict[str, float]:
        """Return the counters of a day; empty when nothing was done."""
        with expecting():
            item = self._dynamodb.get_item(TableName=self._table, Key={"day": {"S": day}})
        found = from_item(item.get("Item", {}))
        return {name: float(value) for name, value in found.items() if name != "day"}

    def spend(self, tokens: int, dollars: float, per_day: int | None) -> None:
        """Take tokens from today's budget before they are used; ``dollars`` is for a million.

        What they cost is rounded up to a millionth of a dollar.
        Raises OverBudget, and takes none, when fewer are left.
        """
        if not tokens:
            return None
        cost = (Decimal(str(dollars)) * tokens / 1_000_000).quantize(MILLIONTH, ROUND_UP)
        adds: dict[str, Any] = {"tokens": tokens, "dollars": cost}
        if per_day is None:
            return self._add(adds)
        update = arguments(
            adds=adds,
            condition="attribute_not_exists(#tokens) OR #tokens <= :most",
            most=per_day - tokens,
        )
        try:
            if tokens > per_day:
                raise self._over(per_day)
            with expecting(CONDITION):
                self._dynamodb.update_item(TableName=self._table, Key=self._today(), **update)
        except ClientError:
            raise self._over(per_day) from None
        return None

    def _over(self, per_day: int) -> OverBudget:
        return OverBudget(
            f"the budget of {per_day} tokens a day is used up; it starts anew at midnight UTC",
            retry_after=DAY - self._clock.now() % DAY,
        )

    def _today(self) -> dict[str, Any]:
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        return {"day": {"S": f"{now:%Y-%m-%d}"}}
