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
