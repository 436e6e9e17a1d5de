"""DynamoDB's update expressions, as tests walk them, do what AWS's documentation says.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
"""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.localcloud.conftest import Clients

Item = dict[str, Any]
BEFORE: Item = {
    "id": {"S": "a"},
    "price": {"N": "100"},
    "reviews": {"L": [{"S": "one"}, {"S": "two"}, {"S": "three"}]},
    "about": {"M": {"colour": {"S": "red"}}},
    "kinds": {"SS": ["big", "small"]},
}
VALUES: Item = {
    ":n": {"N": "15"},
    ":s": {"S": "x"},
    ":l": {"L": [{"S": "four"}]},
    ":k": {"SS": ["big"]},
    ":m": {"SS": ["medium"]},
}


@pytest.fixture
def table(aws: Clients) -> Any:
    dynamodb = aws("dynamodb")
    dynamodb.create_table(
        TableName="products",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return dynamodb


def updated(table: Any, expression: str) -> Item:
    """Update an item that is as BEFORE, and return it."""
    table.put_item(TableName="products", Item=BEFORE)
    values = {name: value for name, value in VALUES.items() if name in expression}
    given = {"ExpressionAttributeValues": values} if values else {}
    answer = table.update_item(
        TableName="products",
        Key={"id": {"S": "a"}},
        UpdateExpression=expression,
        ReturnValues="ALL_NEW",
        **given,
    )
    return dict(answer["Attributes"])


@pytest.mark.parametrize(
    ("expression", "changes"),
    [
        ("SET price = price - :n", {"price": {"N": "85"}}),
        ("SET price = price + :n, sold = :s", {"price": {"N": "115"}, "sold": {"S": "x"}}),
        ("SET price = if_not_exists(price, :n)", {}),
        ("SET spare = if_not_exists(absent, :n) + :n", {"spare": {"N": "30"}}),
        ("SET about.colour = :s", {"about": {"M": {"colour": {"S": "x"}}}}),
        ("SET reviews[1] = :s", {"reviews": {"L": [{"S": "one"}, {"S": "x"}, {"S": "three"}]}}),
        (
            "SET reviews = list_append(reviews, :l)",
            {"reviews": {"L": [{"S": "one"}, {"S": "two"}, {"S": "three"}, {"S": "four"}]}},
        ),
        ("REMOVE reviews[0], reviews[1]", {"reviews": {"L": [{"S": "three"}]}}),
        ("ADD price :n", {"price": {"N": "115"}}),
        ("ADD kinds :m", {"kinds": {"SS": ["big", "small", "medium"]}}),
        ("DELETE kinds :k", {"kinds": {"SS": ["small"]}}),
        ("SET a = :s REMOVE about.colour", {"a": {"S": "x"}, "about": {"M": {}}}),
    ],
)
def test_an_update_does_as_documented_each_time(table: Any, expression: str, changes: Item) -> None:
    for _ in range(2):  # what has been read once is read no more
        assert updated(table, expression) == BEFORE | changes


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("SET price = :n, price = :n", "Two document paths overlap with each other"),
        ("SET id = :s", "Cannot update attribute id. This attribute is part of the key"),
        ("SET price = absent + :n", "refers to an attribute that does not exist in the item"),
        ("SET about.shape.name = :s", "The document path provided in the update expression is"),
        ("SET price = :n SET sold = :s", 'The "SET" section can only be used once'),
        ("SET price + :n", "Syntax error"),
    ],
)
def test_an_update_that_cannot_be_is_refused_each_time(
    table: Any, expression: str, words: str
) -> None:
    for _ in range(2):
        with pytest.raises(ClientError, match=words):
            updated(table, expression)
