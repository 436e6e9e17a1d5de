"""Transactions of DynamoDB: up to 100 items, at a cost that does not grow with the table.

"Amazon DynamoDB Transactions: How it works" (docs.aws.amazon.com/amazondynamodb/latest/
developerguide/transaction-apis.html) says so of TransactWriteItems and TransactGetItems. moto reads
no more than 25, an earlier limit, and counts no writes. So that it can undo a transaction, it
copies every item of each table that is in it; here, only those that are written. What a
transaction that is undone has told a table's stream stays there.
"""

import copy
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from moto.dynamodb import models, responses
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table

from localcloud.world import World

MOST_ITEMS = 100
Key = dict[str, Any]

_transact = DynamoDBBackend.transact_write_items


def install() -> None:
    """Raise moto's limit, and let it copy what a transaction writes."""
    responses.TRANSACTION_MAX_ITEMS = MOST_ITEMS
    setattr(DynamoDBBackend, "transact_write_items", transact_write_items)  # noqa: B010 # mypy


def attach(world: World) -> None:
    """Nothing happens by itself."""


def transact_write_items(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    """Carry out a transaction; its copies are undone when any of it fails."""
    written = defaultdict[str, list[Key]](list)
    for one in transact_items:
        for request in one.values():
            written[request.get("TableName", "")].append(request.get("Key") or request.get("Item"))
    with _copying(written):
        _transact(self, transact_items)


@contextmanager
def _copying(written: dict[str, list[Key]]) -> Iterator[None]:
    """Let moto's copy of a table, in the block, have copies of these items and share the rest."""

    def deepcopy(thing: Any) -> Any:
        if isinstance(thing, Table):
            return _copied(thing, written[thing.name])
        return copy.deepcopy(thing)

    models.copy = SimpleNamespace(deepcopy=deepcopy)
    try:
        yield
    finally:
        models.copy = copy


def _copied(table: Table, written: list[Key]) -> Table:
    found = copy.copy(table)
    found.items = defaultdict(dict, table.items)
    for key in written:
        hashed = DynamoType(key[table.hash_key_attr])
        if hashed not in table.items:
            continue
        if not table.has_range_key:
            found.items[hashed] = copy.deepcopy(table.items[hashed])
            continue
        group = found.items[hashed] = dict(found.items[hashed])
        ranged = DynamoType(key[table.range_key_attr])
        if ranged in group:
            group[ranged] = copy.deepcopy(group[ranged])
    return found
