"""The document pipeline's stack, row by row, as the local cloud's services describe it."""

from documents.control.tables import AUDIT, CONTROL, METRICS, TTL
from tests.unit.deploy.documents.pipeline import STACK, Pipeline

INDEX_KEYS = ("IndexName", "KeySchema", "Projection")


def test_the_tables_are_those_of_the_application(made: Pipeline) -> None:
    for name, wanted in (("control", CONTROL), ("audit", AUDIT), ("metrics", METRICS)):
        found = made.found("dynamodb", "describe_table", TableName=f"{STACK}-{name}")["Table"]
        indexes = [
            {key: one[key] for key in INDEX_KEYS} for one in found.get("GlobalSecondaryIndexes", [])
        ]

        assert found["KeySchema"] == wanted["KeySchema"]
        assert found["AttributeDefinitions"] == wanted["AttributeDefinitions"]
        assert indexes == wanted.get("GlobalSecondaryIndexes", [])
        assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


def test_each_table_expires_items_and_can_be_restored_to_a_moment(made: Pipeline) -> None:
    for name in ("control", "audit", "metrics"):
        table = {"TableName": f"{STACK}-{name}"}
        ttl = made.found("dynamodb", "describe_time_to_live", **table)["TimeToLiveDescription"]
        backups = made.found("dynamodb", "describe_continuous_backups", **table)
        recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]

        assert ttl == {"AttributeName": TTL, "TimeToLiveStatus": "ENABLED"}
        assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
