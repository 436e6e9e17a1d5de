"""What a request to DynamoDB has to be allowed: actions on tables and indexes, with their keys.

Follows "Actions, resources, and condition keys for Amazon DynamoDB" (docs.aws.amazon.com/
service-authorization/latest/reference/list_amazondynamodb.html); for transactions, whose items each
need what a request for the one item needs, "Using IAM with DynamoDB transactions"
(docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html); and for
indexes, which have an ARN of their own, .../developerguide/using-identity-based-policies.html.
"""

import re
from collections.abc import Iterator
from typing import Any

from moto.dynamodb.models import dynamodb_backends

Tree = dict[str, Any]
Where = tuple[str, str]  # account, region
Named = tuple[str, str, Tree]  # action, ARN, condition keys

ITEM_ACTIONS = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}


def named(where: Where, action: str, parameters: Tree) -> Iterator[Named]:
    """Yield what one request touches; nothing when its action takes no resource."""
    if arn := parameters.get("ResourceArn"):
        yield f"dynamodb:{action}", arn, {}
        return
    for item in parameters.get("TransactItems") or []:
        for kind, one in item.items():
            yield _of_table(where, ITEM_ACTIONS[kind], one["TableName"], one)
    several = parameters.get("RequestItems")
    if isinstance(several, dict):
        for name in sorted(several):
            yield f"dynamodb:{action}", _arn(where, name), {}
    elif parameters.get("TableName"):
        yield _of_table(where, action, parameters["TableName"], parameters)


def _of_table(where: Where, action: str, table: str, parameters: Tree) -> Named:
    arn, index = _arn(where, table), parameters.get("IndexName")
    keys = {"dynamodb:LeadingKeys": _leading(where, table, parameters)}
    return f"dynamodb:{action}", f"{arn}/index/{index}" if index else arn, keys


def _arn(where: Where, table: str) -> str:
    return f"arn:aws:dynamodb:{where[1]}:{where[0]}:table/{table.split('/')[-1]}"


def _leading(where: Where, table_name: str, parameters: Tree) -> tuple[str, ...] | None:
    """Return the partition keys that a request touches; an unreadable one matches no key."""
    table = dynamodb_backends[where[0]][where[1]].tables.get(table_name)
    if table is None:
        return None
    key = table.hash_key_attr
    for part in ("Key", "Item"):
        if key in (parameters.get(part) or {}):
            return tuple(str(value) for value in parameters[part][key].values())
    if condition := parameters.get("KeyConditionExpression"):
        name = re.search(r"(\S+)\s*=\s*(:\w+)", condition)
        values = parameters.get("ExpressionAttributeValues") or {}
        if name and (parameters.get("ExpressionAttributeNames") or {}).get(name[1], name[1]) == key:
            return tuple(str(value) for value in values[name[2]].values())
        return ("\0",)
    return None
