"""Items whose time has come are deleted; all others stay."""

from typing import Any

import pytest

from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.fakes import FakeClock

YEAR = 365 * 86_400


@pytest.fixture
def table(aws: Clients) -> Any:
    """The API of DynamoDB with a table ``audit`` that expires by ``until``."""
    dynamodb = aws("dynamodb")
    dynamodb.create_table(
        TableName="audit",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    ttl = {"Enabled": True, "AttributeName": "until"}
    dynamodb.update_time_to_live(TableName="audit", TimeToLiveSpecification=ttl)
    return dynamodb


def kept(table: Any) -> set[str]:
    return {item["id"]["S"] for item in table.scan(TableName="audit")["Items"]}


def test_an_expired_item_is_deleted_some_time_later(table: Any, clock: FakeClock) -> None:
    now = clock.now()
    for name, until in {
        "soon": {"N": str(int(now) + 30)},
        "tomorrow": {"N": str(int(now) + 86_400)},
        "words": {"S": str(int(now))},
        "ancient": {"N": str(int(now) - 6 * YEAR)},
    }.items():
        table.put_item(TableName="audit", Item={"id": {"S": name}, "until": until})
    table.put_item(TableName="audit", Item={"id": {"S": "without"}})

    clock.advance(60, every=5)
    assert kept(table) == {"soon", "tomorrow", "words", "ancient", "without"}
    clock.advance(60, every=5)
    assert kept(table) == {"tomorrow", "words", "ancient", "without"}


def test_without_ttl_nothing_expires(table: Any, clock: FakeClock) -> None:
    off = {"Enabled": False, "AttributeName": "until"}
    table.update_time_to_live(TableName="audit", TimeToLiveSpecification=off)
    item = {"id": {"S": "old"}, "until": {"N": str(int(clock.now()))}}
    table.put_item(TableName="audit", Item=item)

    clock.advance(300, every=10)

    assert kept(table) == {"old"}
