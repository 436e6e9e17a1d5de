"""Look through the control table: by status, by time. Reads only."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from documents.control.items import expecting, from_item, to_item
from documents.control.tables import BY_STATUS, BY_TIME
from documents.errors import Unavailable
from documents.identity import ObjectRef

# BatchGetItem takes up to 100 keys, and may answer only some of them.
AT_ONCE = 100
TRIES = 20


class Listing:
    """The records of one control table, through its indexes, which lag by a moment."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb, self._table = dynamodb, table

    def with_status(self, status: str, before: str = "9") -> Iterator[dict[str, Any]]:
        """Yield the records of this status, last changed before this time, oldest first."""
        yield from self._query(
            IndexName=BY_STATUS,
            KeyConditionExpression="#status = :status AND updated_at < :before",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues=to_item({":status": status, ":before": before}),
        )

    def of_day(self, day: str) -> Iterator[dict[str, Any]]:
        """Yield the objects that were received on this day (``2026-11-28``), newest first."""
        yield from self._query(
            IndexName=BY_TIME,
            KeyConditionExpression="#day = :day",
            ExpressionAttributeNames={"#day": "day"},
            ExpressionAttributeValues=to_item({":day": day}),
            ScanIndexForward=False,
        )

    def count(self, status: str, since: str = "0") -> int:
        """Return how many records have this status, last changed at this time or later."""
        pages = self._pages(
            IndexName=BY_STATUS,
            KeyConditionExpression="#status = :status AND updated_at >= :since",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues=to_item({":status": status, ":since": since}),
            Select="COUNT",
        )
        return sum(page["Count"] for page in pages)

    def records(self, refs: Sequence[ObjectRef]) -> dict[str, dict[str, Any]]:
        """Return the records of these objects by id, as they are now; of those that have one."""
        found, keys = dict[str, dict[str, Any]](), iter([{"id": {"S": ref.id}} for ref in refs])
        while batch := list(islice(keys, AT_ONCE)):
            for item in self._batch(batch):
                found[item["id"]] = item
        return found

    def _batch(self, keys: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for _ in range(TRIES):
            asked = {self._table: {"Keys": keys, "ConsistentRead": True}}
            with expecting():
                answer = self._dynamodb.batch_get_item(RequestItems=asked)
            yield from map(from_item, answer["Responses"].get(self._table, ()))
            keys = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            if not keys:
                return
        raise Unavailable("DynamoDB answers only a part of each batch")

    def _query(self, **query: Any) -> Iterator[dict[str, Any]]:
        for page in self._pages(**query):
            for item in page["Items"]:
                yield from_item(item)

    def _pages(self, **query: Any) -> Iterator[dict[str, Any]]:
        with expecting():
            yield from self._dynamodb.get_paginator("query").paginate(
                TableName=self._table, **query
            )
