"""Look through the control table: by status, by time. Reads only."""

from collections.abc import Iterator
from typing import Any

from documents.control.items import expecting, from_item, to_item
from documents.control.tables import BY_STATUS, BY_TIME


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

    def count(self, status: str) -> int:
        """Return how many records have this status."""
        pages = self._pages(
            IndexName=BY_STATUS,
            KeyConditionExpression="#status = :status",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues=to_item({":status": status}),
            Select="COUNT",
        )
        return sum(page["Count"] for page in pages)

    def _query(self, **query: Any) -> Iterator[dict[str, Any]]:
        for page in self._pages(**query):
            for item in page["Items"]:
                yield from_item(item)

    def _pages(self, **query: Any) -> Iterator[dict[str, Any]]:
        with expecting():
            yield from self._dynamodb.get_paginator("query").paginate(
                TableName=self._table, **query
            )
