"""A conditional put that fails says so, and returns the item that is there.

The head's lease depends on it: who did not get it reads from the refusal who has it.
"""

from botocore.exceptions import ClientError

from common.clients import error_code
from common.waiting import Seen
from tests.probes.kit.place import Place

SOURCE = "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html"
ASSUMED = "ConditionalCheckFailedException, with the item of the first put"


def probe(place: Place) -> str:
    dynamodb = place.clients("dynamodb")
    dynamodb.create_table(
        TableName=place.name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=place.tags,
    )
    place.afterwards(f"table {place.name}", lambda: dynamodb.delete_table(TableName=place.name))

    def active() -> Seen[bool]:
        status = dynamodb.describe_table(TableName=place.name)["Table"]["TableStatus"]
        return Seen(status == "ACTIVE" or None, status)

    place.until(f"table {place.name}", active)
    for owner in ("first", "second"):
        try:
            dynamodb.put_item(
                TableName=place.name,
                Item={"id": {"S": "lease"}, "owner": {"S": owner}},
                ConditionExpression="attribute_not_exists(id)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            owner = error.response.get("Item", {}).get("owner", {}).get("S")
            return f"{error_code(error)}, with the item of the {owner} put"
    return "both puts were done"
