"""DynamoDB's items as plain dictionaries, and the errors that conditions answer with."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from common.clients import error_code
from documents.errors import Unavailable

_serializer, _deserializer = TypeSerializer(), TypeDeserializer()
CONDITION = "ConditionalCheckFailedException"
CANCELLED = "TransactionCanceledException"


def to_item(values: dict[str, Any]) -> dict[str, Any]:
    """Return values as DynamoDB has them; numbers must be integers or Decimals."""
    return {name: _serializer.serialize(value) for name, value in values.items()}


def from_item(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item's values; numbers are Decimals."""
    return {name: _deserializer.deserialize(value) for name, value in item.items()}


def arguments(
    sets: dict[str, Any] | None = None,
    *,
    removes: tuple[str, ...] = (),
    adds: dict[str, Any] | None = None,
    deletes: dict[str, Any] | None = None,
    condition: str = "",
    **values: Any,
) -> dict[str, Any]:
    """Return an update's expressions, each attribute behind a ``#name``.

    ``values`` are those of the condition, which may name what it likes as ``#name`` if it is also
    set, and as itself if it is no reserved word.
    """
    clauses, names, bound = list[str](), dict[str, str](), dict(values)
    for word, changed, operator in (
        ("SET", sets, " = "),
        ("ADD", adds, " "),
        ("DELETE", deletes, " "),
    ):
        if changed:
            names |= {f"#{name}": name for name in changed}
            bound |= {f"set_{name}": value for name, value in changed.items()}
            clauses.append(f"{word} " + ", ".join(f"#{n}{operator}:set_{n}" for n in changed))
    if removes:
        names |= {f"#{name}": name for name in removes}
        clauses.append("REMOVE " + ", ".join(f"#{name}" for name in removes))
    found: dict[str, Any] = {"UpdateExpression": " ".join(clauses)}
    if names:
        found["ExpressionAttributeNames"] = names
    if bound:
        found["ExpressionAttributeValues"] = to_item({f":{n}": v for n, v in bound.items()})
    return found | ({"ConditionExpression": condition} if condition else {})


def cancellations(error: ClientError) -> list[str]:
    """Return the code of each item of a cancelled transaction, ``None`` where there is none."""
    return [str(one.get("Code")) for one in error.response.get("CancellationReasons", ())]


@contextmanager
def expecting(*codes: str) -> Iterator[None]:
    """Pass on AWS's errors of these codes; every other becomes Unavailable."""
    try:
        yield
    except ClientError as error:
        if error_code(error) in codes:
            raise
        raise Unavailable(f"DynamoDB answered {error_code(error)}") from error
    except BotoCoreError as error:
        raise Unavailable(f"DynamoDB: {error}") from error
