"""The lease item in DynamoDB, and the memory table that other tests use instead."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from node.lease.table import DynamoLeaseTable, LeaseItem, LeaseTable, Refused, Unknown
from tests.unit.answers import Answers
from tests.unit.node.fakes import MemoryTable

TABLE = "raykiln-lease-test"


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "cluster", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "cluster", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


holders = st.sampled_from(["i-0a", "i-0b"])
epochs = st.integers(min_value=0, max_value=4)
seen_items = st.none() | st.builds(
    LeaseItem, epochs, st.integers(0, 3), holders, st.just("10.0.0.1"), st.booleans()
)
documents = st.sampled_from(["", "s3://bucket/one.yaml"])
refusals = st.sampled_from(["", "s3://bucket/two.yaml no key"])
operations = st.one_of(
    st.tuples(st.just("read")),
    st.tuples(st.just("take"), seen_items, holders, st.just("10.0.0.1"), documents, refusals),
    st.tuples(st.just("take as seen"), holders),
    st.tuples(st.just("renew"), epochs, holders, documents, refusals),
    st.tuples(st.just("name"), st.sampled_from(["", "i-0a", "i-0c"])),
    st.tuples(st.just("release"), epochs, holders),
)


def outcome(table: LeaseTable, operation: tuple[Any, ...]) -> Any:
    name, *arguments = operation
    if name == "take as seen":
        name, arguments = "take", [table.read(), arguments[0], "10.0.0.2", "", ""]
    if name == "name":
        return name_successor(table, *arguments)
    try:
        return getattr(table, name)(*arguments)
    except Refused:
        return "refused"


def name_successor(table: LeaseTable, instance_id: str) -> None:
    """Name a successor as a deploy does, based on its last read."""
    if isinstance(table, MemoryTable):
        table.name_successor(instance_id)
        return
    assert isinstance(table, DynamoLeaseTable)
    item = table.read()
    if item is None or item.released:
        return
    values = {":epoch": {"N": str(item.epoch)}, ":no": {"BOOL": False}}
    table._dynamodb.update_item(
        TableName=TABLE,
        Key={"cluster": {"S": "test"}},
        UpdateExpression="SET successor = :id" if instance_id else "REMOVE successor",
        ConditionExpression="epoch = :epoch AND released = :no",
        ExpressionAttributeValues=values | ({":id": {"S": instance_id}} if instance_id else {}),
    )


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(story=st.lists(operations, max_size=25))
def test_the_memory_table_behaves_like_dynamodb(dynamodb: Any, story: list[Any]) -> None:
    dynamodb.delete_item(TableName=TABLE, Key={"cluster": {"S": "test"}})
    real, ours = DynamoLeaseTable(dynamodb, TABLE, "test"), MemoryTable()

    for operation in story:
        assert outcome(real, operation) == outcome(ours, operation), operation
        assert real.read() == ours.read()


def test_environments_do_not_share_a_lease(dynamodb: Any) -> None:
    DynamoLeaseTable(dynamodb, TABLE, "one").take(None, "i-0a", "10.0.0.1", "", "")

    assert DynamoLeaseTable(dynamodb, TABLE, "two").read() is None


def test_an_error_that_leaves_the_effect_open_is_unknown(dynamodb: Any) -> None:
    table = DynamoLeaseTable(dynamodb, "no-such-table", "test")

    with pytest.raises(Unknown, match="ResourceNotFound"):
        table.read()


def test_a_renewal_returns_the_item_with_a_successor_named_since(
    dynamodb: Any,
) -> None:
    table = DynamoLeaseTable(dynamodb, TABLE, "test")
    table.take(None, "i-0a", "10.0.0.1", "s3://bucket/one.yaml", "")
    name_successor(table, "i-0b")

    item = table.renew(1, "i-0a", "s3://bucket/two.yaml", "s3://bucket/new.yaml no")

    assert item == LeaseItem(
        1,
        1,
        "i-0a",
        "10.0.0.1",
        released=False,
        successor="i-0b",
        autoscaler="s3://bucket/two.yaml",
        refused="s3://bucket/new.yaml no",
    )
    table.release(1, "i-0a")
    assert table.read() == replace(item, released=True)


def test_each_call_is_one_request_that_counts_on_nothing_but_the_lease_itself() -> None:
    item = {
        "epoch": {"N": "3"},
        "beat": {"N": "8"},
        "holder": {"S": "i-1"},
        "address": {"S": "10.0.0.1"},
        "released": {"BOOL": False},
    }
    aws: Any = Answers(get_item={"Item": item}, put_item={}, update_item={"Attributes": item})
    table = DynamoLeaseTable(aws("dynamodb"), "leases", "test")

    seen = table.read()
    table.take(seen, "i-2", "10.0.0.2", "s3://b/a.yaml", "")
    table.take(None, "i-2", "10.0.0.2", "", "")
    table.renew(3, "i-1", "s3://b/a.yaml", "why")
    table.release(3, "i-1")

    key = {"cluster": {"S": "test"}}
    first = {
        **key,
        "epoch": {"N": "1"},
        "beat": {"N": "0"},
        "holder": {"S": "i-2"},
        "address": {"S": "10.0.0.2"},
        "released": {"BOOL": False},
        "autoscaler": {"S": ""},
        "autoscaler_refused": {"S": ""},
    }
    held = {
        "Key": key,
        "ConditionExpression": "epoch = :epoch AND holder = :holder",
        "ReturnValues": "ALL_NEW",
    }
    ours = {":epoch": {"N": "3"}, ":holder": {"S": "i-1"}}
    requests = [request for _, request in aws.requests]
    assert all(request.pop("TableName") == "leases" for request in requests)
    assert requests == [
        {"Key": key, "ConsistentRead": True},
        {
            "Item": first | {"epoch": {"N": "4"}, "autoscaler": {"S": "s3://b/a.yaml"}},
            "ConditionExpression": "epoch = :epoch AND beat = :beat",
            "ExpressionAttributeValues": {":epoch": {"N": "3"}, ":beat": {"N": "8"}},
        },
        {"Item": first, "ConditionExpression": "attribute_not_exists(epoch)"},
        {
            **held,
            "UpdateExpression": "SET beat = beat + :one, autoscaler = :autoscaler, "
            "autoscaler_refused = :refused",
            "ExpressionAttributeValues": ours
            | {
                ":one": {"N": "1"},
                ":autoscaler": {"S": "s3://b/a.yaml"},
                ":refused": {"S": "why"},
            },
        },
        {
            **held,
            "UpdateExpression": "SET released = :yes",
            "ExpressionAttributeValues": ours | {":yes": {"BOOL": True}},
        },
    ]
