"""The Lambda function that S3 notifies: a control record, an entry in the audit and a message each.

It is inline in a template, so it is one file below 4 KiB that needs boto3 alone
(docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-lambda-function-
code.html, ZipFile). Events come at least once and in any order; ``sequencer`` orders those of one
key, padded with zeros at its right (docs.aws.amazon.com/AmazonS3/latest/userguide/notification-
content-structure.html). The message is sent in any case: the record may be all that a first try
reached. Workers look the object up themselves, so a message more does no harm.
"""

import json
import os
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import unquote_plus

import boto3

INPUT = "input/"
# Seconds, of an entry in the audit: audit_days of settings.py.
KEPT = 400 * 86_400


@cache
def client(service: str) -> Any:
    """Return a client in the function's own region."""
    return boto3.client(service)


def handler(event: dict[str, Any], context: object = None) -> None:
    """Take in all records of an event; raises what AWS answers, so that Lambda tries again."""
    dynamodb, sqs = client("dynamodb"), client("sqs")
    table, queue = os.environ["CONTROL_TABLE"], os.environ["QUEUE_URL"]
    for record in event.get("Records", ()):
        bucket, item = record["s3"]["bucket"]["name"], record["s3"]["object"]
        key = unquote_plus(item["key"])
        if key.startswith(INPUT) and not key.endswith("/"):
            if record["eventName"].startswith("ObjectCreated"):
                note(dynamodb, table, bucket, key, record)
            witness(dynamodb, os.environ["AUDIT_TABLE"], f"object/{bucket}/{key}", record)
            body = json.dumps({"bucket": bucket, "key": key})
            sqs.send_message(QueueUrl=queue, MessageBody=body)


def note(dynamodb: Any, table: str, bucket: str, key: str, record: dict[str, Any]) -> bool:
    """Record an object's newest event; return whether it was news."""
    item, now = (
        record["s3"]["object"],
        datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    values = {
        "bucket": bucket,
        "key": key,
        "version": item.get("versionId") or "null",
        "sequencer": item.get("sequencer", "").ljust(64, "0"),
        "status": "RECEIVED",
        "received_at": now,
        "updated_at": now,
        "day": now[:10],
        "uploaded_by": record["userIdentity"]["principalId"],
    }
    fresh = "#sequencer < :sequencer" if item.get("sequencer") else "#version <> :version"
    try:
        dynamodb.update_item(
            TableName=table,
            Key={"id": {"S": f"object/{bucket}/{key}"}},
            UpdateExpression="SET attempts = :zero, "
            + ", ".join(f"#{name} = :{name}" for name in values)
            + " REMOVE reason, moved_to, expires_at",
            ConditionExpression=f"attribute_not_exists(#sequencer) OR {fresh}",
            ExpressionAttributeNames={f"#{name}": name for name in values},
            ExpressionAttributeValues={
                **{f":{name}": {"S": value} for name, value in values.items()},
                ":zero": {"N": "0"},
            },
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


def witness(dynamodb: Any, table: str, object_id: str, record: dict[str, Any]) -> None:
    """Add who did what to an object; an event that comes again is the same entry."""
    at, item = record["eventTime"], record["s3"]["object"]
    until = int(datetime.fromisoformat(at).timestamp()) + KEPT
    said = {
        "object": object_id,
        "at": f"{at}#{item.get('sequencer', '')}",
        "who": record["userIdentity"]["principalId"],
        "what": record["eventName"],
        "version": item.get("versionId") or "null",
    }
    dynamodb.put_item(
        TableName=table,
        Item={name: {"S": value} for name, value in said.items()}
        | {"expires_at": {"N": str(until)}},
    )
