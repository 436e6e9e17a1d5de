"""The shape of the three tables, as the stack declares them and the tests create them. No AWS.

The control table holds three kinds of items, told apart by the first part of ``id``:

- ``object/BUCKET/KEY``: an object below ``input/``; its status, attempts, claim, and the document
  that is answered from for it.
- ``document/SHA256``: content; the objects that have it, and the set of vectors that serves.
- ``vectors/SET``: one pass over a document; how many vectors it may have written.

Only objects have ``day``, and only objects and vector sets have ``status``.
"""

from typing import Any

BY_STATUS = "by-status"
BY_TIME = "by-time"
# DynamoDB deletes an item some time after this attribute's moment, in seconds since the epoch.
TTL = "expires_at"


def _key(hash_name: str, range_name: str = "") -> list[dict[str, str]]:
    keys = [{"AttributeName": hash_name, "KeyType": "HASH"}]
    return keys + ([{"AttributeName": range_name, "KeyType": "RANGE"}] if range_name else [])


def _strings(*names: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


def _index(name: str, hash_name: str, range_name: str) -> dict[str, Any]:
    return {
        "IndexName": name,
        "KeySchema": _key(hash_name, range_name),
        "Projection": {"ProjectionType": "ALL"},
    }


CONTROL: dict[str, Any] = {
    "KeySchema": _key("id"),
    "AttributeDefinitions": _strings("id", "status", "updated_at", "day", "received_at"),
    "GlobalSecondaryIndexes": [
        _index(BY_STATUS, "status", "updated_at"),
        _index(BY_TIME, "day", "received_at"),
    ],
    "BillingMode": "PAY_PER_REQUEST",
}
AUDIT: dict[str, Any] = {
    "KeySchema": _key("object", "at"),
    "AttributeDefinitions": _strings("object", "at"),
    "BillingMode": "PAY_PER_REQUEST",
}
METRICS: dict[str, Any] = {
    "KeySchema": _key("day"),
    "AttributeDefinitions": _strings("day"),
    "BillingMode": "PAY_PER_REQUEST",
}
