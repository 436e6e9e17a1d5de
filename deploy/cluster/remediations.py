"""The last remediation: what was done after an alarm, or why nothing was. Reads AWS (DynamoDB).

The item ENV#remediation of the environment's lease table, written by the function that alarms
invoke: deploy/foundation/remediation.py.
"""

from datetime import UTC, datetime

from common.clients import Clients
from common.environment import Environment
from deploy.cluster.lease_table import read_item


def last_remediation(clients: Clients, environment: Environment) -> str:
    """Return when (UTC), for which alarm, and what; empty when it was never invoked."""
    item = read_item(clients, environment, "#remediation")
    noted = item.get("noted", {}).get("M")
    if not noted:
        return ""
    when = datetime.fromtimestamp(int(noted["at"]["N"]), UTC)
    return f"{when:%Y-%m-%d %H:%M:%S}Z {noted['alarm']['S']}: {noted['words']['S']}"
