"""The items of an environment's lease table. Reads AWS (DynamoDB).

``ENV`` is the head lease, ``ENV#deploy`` the deploy lock, ``ENV#remediation`` the record of
remediations.
"""

from typing import Any

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.environment import Environment
from node.contract import LEASE_KEY


def read_item(clients: Clients, environment: Environment, suffix: str = "") -> dict[str, Any]:
    """Return the item in DynamoDB's types, read consistently; empty without item or table."""
    key = environment.name + suffix
    with translated(f"reading the item {key} of {environment.lease_table}"):
        try:
            answer = clients("dynamodb").get_item(
                TableName=environment.lease_table,
                Key={LEASE_KEY: {"S": key}},
                ConsistentRead=True,
            )
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return {}
            raise
    return dict(answer.get("Item", {}))
