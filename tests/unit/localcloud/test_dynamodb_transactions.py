"""A transaction reads up to 100 items, and refuses more."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.localcloud.conftest import Clients


def gets(count: int) -> list[dict[str, Any]]:
    return [{"Get": {"TableName": "t", "Key": {"id": {"S": str(n)}}}} for n in range(count)]


def test_a_transaction_reads_a_hundred_items(aws: Clients) -> None:
    dynamodb = aws("dynamodb")
    dynamodb.create_table(
        TableName="t",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    dynamodb.put_item(TableName="t", Item={"id": {"S": "99"}})

    found = dynamodb.transact_get_items(TransactItems=gets(100))["Responses"]

    assert [at for at, one in enumerate(found) if one] == [99]
    with pytest.raises(ClientError, match="less than or equal to 100"):
        dynamodb.transact_get_items(TransactItems=gets(101))


def create(dynamodb: Any, ranged: bool) -> None:
    names = ["id", "at"] if ranged else ["id"]
    kinds = dict(zip(names, ("HASH", "RANGE"), strict=False))
    dynamodb.create_table(
        TableName="t",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        KeySchema=[{"AttributeName": name, "KeyType": kinds[name]} for name in names],
    )


def item(name: str, **more: str) -> dict[str, Any]:
    return {key: {"S": value} for key, value in {"id": name, "at": "1", **more}.items()}


@pytest.mark.parametrize("ranged", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_all_of_a_transaction_is_done_or_nothing(aws: Clients, ranged: bool, fails: bool) -> None:
    dynamodb = aws("dynamodb")
    create(dynamodb, ranged)
    before = [item("changed", v="a"), item("deleted"), item("other"), item("replaced", v="a")]
    for one in before:
        dynamodb.put_item(TableName="t", Item=one)

    def key(name: str) -> dict[str, Any]:
        found = item(name)
        return found if ranged else {"id": found["id"]}

    def read() -> list[dict[str, Any]]:
        found = dynamodb.scan(TableName="t")["Items"]
        return sorted(found, key=lambda one: str(one["id"]["S"]))

    change = {"UpdateExpression": "SET v = :v", "ExpressionAttributeValues": {":v": {"S": "b"}}}
    exists = {"ConditionExpression": "attribute_exists(id)"}
    request = [
        {"Update": {"TableName": "t", "Key": key("changed"), **change}},
        {"Delete": {"TableName": "t", "Key": key("deleted")}},
        {"Put": {"TableName": "t", "Item": item("added")}},
        {"Put": {"TableName": "t", "Item": item("replaced", v="b")}},
        {"ConditionCheck": {"TableName": "t", "Key": key("no" if fails else "other"), **exists}},
    ]

    if fails:
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            dynamodb.transact_write_items(TransactItems=request)
        assert read() == before
    else:
        dynamodb.transact_write_items(TransactItems=request)
        left = [item("added"), item("changed", v="b"), item("other"), item("replaced", v="b")]
        assert read() == left
    dynamodb.put_item(TableName="t", Item=item("after"))
    assert len(read()) == 5
