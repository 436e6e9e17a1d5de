"""What was done, or left alone, when an alarm rang: the newest word of it. Touches AWS (DynamoDB).

The item ENV#remediation of the environment's lease table. The function that alarms invoke writes
it: deploy/foundation/remediation.py.
"""

from datetime import UTC, datetime

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.environment import Environment


def last_remediation(clients: Clients, environment: Environment) -> str:
    """Return when (UTC), for which alarm, and what; empty when it was never asked."""
    with translated(f"reading the record of remediation in {environment.lease_table}"):
        try:
            answer = clients("dynamodb").get_item(
                TableName=environment.lease_table,
                Key={"cluster": {"S": f"{environment.name}#remediation"}},
                ConsistentRead=True,
            )
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return ""
            raise
    noted = answer.get("Item", {}).get("noted", {}).get("M")
    if not noted:
        return ""
    when = datetime.fromtimestamp(int(noted["at"]["N"]), UTC)
    return f"{when:%Y-%m-%d %H:%M:%S}Z {noted['alarm']['S']}: {noted['words']['S']}"
