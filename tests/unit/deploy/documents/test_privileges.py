"""What the function, ECS's agent, workers and the head may, and what each is refused.

Every request is evaluated by IAM's rules, against the roles that the stack makes.
"""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.patches.iam import enforced, role_credentials
from tests.unit.deploy.documents.pipeline import STACK, Pipeline
from tests.unit.deploy.foundation.privileges import REFUSALS, SESSION

BUCKET = f"{STACK}-123456789012-us-east-1"
QUEUES = "https://sqs.us-east-1.amazonaws.com/123456789012"
HEAD_LOGS, FUNCTION_LOGS = f"/ecs/{STACK}-ray-head", f"/aws/lambda/{STACK}-s3-event-handler"
INDEX = {"vectorBucketName": STACK, "indexName": "documents-local"}
VECTOR = {"float32": [0.1] * 384}
ROLES = {
    "function": "FunctionRole",
    "execution": "ExecutionRole",
    "worker": "WorkerTaskRole",
    "head": "HeadTaskRole",
}
Aws = Callable[[str], Any]
Request = Callable[[Aws], Any]
ARNS: dict[str, str] = {}  # of secrets, by name; ``filled`` looks them up


def ask(service: str, call: str, /, **request: Any) -> Request:
    return lambda aws: getattr(aws(service), call)(**request)


def of_object(call: str, key: str, **more: Any) -> Request:
    return ask("s3", call, Bucket=BUCKET, Key=key, **more)


def copied(source: str, key: str) -> Request:
    return of_object("copy_object", key, CopySource={"Bucket": BUCKET, "Key": source})


def item(call: str, table: str, **key: str) -> Request:
    named = "Item" if call == "put_item" else "Key"
    request: dict[str, Any] = {named: {name: {"S": value} for name, value in key.items()}}
    if call == "update_item":
        request["UpdateExpression"] = "REMOVE nothing"
    return ask("dynamodb", call, TableName=f"{STACK}-{table}", **request)


def switched() -> Request:
    """The moment in which another vector set answers (documents/control/vector_sets.py)."""
    table = {"TableName": f"{STACK}-control"}
    update = {"Key": {"id": {"S": "a"}}, "UpdateExpression": "REMOVE nothing"}
    items = [{"Update": {**table, **update}}, {"Put": {**table, "Item": {"id": {"S": "b"}}}}]
    return ask("dynamodb", "transact_write_items", TransactItems=items)


def read_together() -> Request:
    one = {"TableName": f"{STACK}-control", "Key": {"id": {"S": "a"}}}
    return ask("dynamodb", "transact_get_items", TransactItems=[{"Get": one}])


def listed_by(index: str, key: str) -> Request:
    return ask(
        "dynamodb",
        "query",
        TableName=f"{STACK}-control",
        IndexName=index,
        KeyConditionExpression="#key = :value",
        ExpressionAttributeNames={"#key": key},
        ExpressionAttributeValues={":value": {"S": "x"}},
    )


def audited() -> Request:
    return ask(
        "dynamodb",
        "query",
        TableName=f"{STACK}-audit",
        KeyConditionExpression="#object = :object",
        ExpressionAttributeNames={"#object": "object"},
        ExpressionAttributeValues={":object": {"S": "x"}},
    )


def sent(queue: str = "") -> Request:
    return ask("sqs", "send_message", QueueUrl=f"{QUEUES}/{STACK}{queue}", MessageBody="{}")


def received(queue: str = "") -> Request:
    return ask("sqs", "receive_message", QueueUrl=f"{QUEUES}/{STACK}{queue}", WaitTimeSeconds=0)


def metric(namespace: str) -> Request:
    data = [{"MetricName": "BacklogPerWorker", "Value": 1}]
    return ask("cloudwatch", "put_metric_data", Namespace=namespace, MetricData=data)


def secret(name: str) -> Request:
    return lambda aws: aws("secretsmanager").get_secret_value(SecretId=ARNS[name])


def logged(group: str) -> Request:
    return ask("logs", "create_log_stream", logGroupName=group, logStreamName="one")


# Each request, and the roles that may make it.
MATRIX: dict[str, tuple[Request, set[str]]] = {
    "read a document": (of_object("get_object", "input/a"), {"worker"}),
    "read what failed": (of_object("get_object", "failed/a"), set()),
    "list the documents": (ask("s3", "list_objects_v2", Bucket=BUCKET), {"worker", "head"}),
    "add a document": (of_object("put_object", "input/b", Body=b""), {"head"}),
    "write elsewhere": (of_object("put_object", "other/b", Body=b""), set()),
    "keep a text": (of_object("put_object", "processed/b", Body=b""), {"worker"}),
    "delete a text": (of_object("delete_object", "processed/b"), {"worker", "head"}),
    "read a text": (of_object("get_object", "processed/b"), set()),
    "move what failed": (copied("input/a", "failed/b"), {"worker"}),
    "take a document away": (of_object("delete_object", "input/b"), {"worker"}),
    "delete what failed": (of_object("delete_object", "failed/a"), set()),
    "delete a version": (of_object("delete_object", "input/b", VersionId="null"), set()),
    "change the bucket": (ask("s3", "delete_bucket_policy", Bucket=BUCKET), set()),
    "read a record": (item("get_item", "control", id="a"), {"worker", "head"}),
    "claim a record": (item("update_item", "control", id="a"), {"function", "worker", "head"}),
    "write a record": (item("put_item", "control", id="a"), {"worker"}),
    "forget a record": (item("delete_item", "control", id="c"), {"worker", "head"}),
    "switch to another vector set": (switched(), {"worker"}),
    "read records together": (read_together(), {"worker", "head"}),
    "list records by status": (listed_by("by-status", "status"), {"head"}),
    "list records by day": (listed_by("by-time", "day"), {"head"}),
    "scan the records": (ask("dynamodb", "scan", TableName=f"{STACK}-control"), set()),
    "append to the audit": (item("put_item", "audit", object="a", at="1"), {"worker", "function"}),
    "change the audit": (item("update_item", "audit", object="a", at="1"), set()),
    "delete from the audit": (item("delete_item", "audit", object="a", at="1"), set()),
    "read the audit": (audited(), {"head"}),
    "count": (item("update_item", "metrics", day="1"), {"worker", "head"}),
    "show the counts": (item("get_item", "metrics", day="1"), {"head"}),
    "delete a table": (ask("dynamodb", "delete_table", TableName=f"{STACK}-other"), set()),
    "send a message": (sent(), {"function", "head"}),
    "take a message": (received(), {"worker"}),
    "keep a failed event": (sent("-failed-events"), {"function"}),
    "send a dead letter": (sent("-dead-letters"), set()),
    "take a dead letter": (received("-dead-letters"), set()),
    "see what waits": (
        ask("sqs", "get_queue_attributes", QueueUrl=f"{QUEUES}/{STACK}"),
        {"head"},
    ),
    "empty the queue": (ask("sqs", "purge_queue", QueueUrl=f"{QUEUES}/{STACK}"), set()),
    "write vectors": (
        ask("s3vectors", "put_vectors", **INDEX, vectors=[{"key": "a", "data": VECTOR}]),
        {"worker"},
    ),
    "delete vectors": (
        ask("s3vectors", "delete_vectors", **INDEX, keys=["b"]),
        {"worker", "head"},
    ),
    "search": (
        ask("s3vectors", "query_vectors", **INDEX, topK=1, queryVector=VECTOR),
        {"head"},
    ),
    "list vectors": (ask("s3vectors", "list_vectors", **INDEX), set()),
    "delete the index": (ask("s3vectors", "delete_index", **INDEX), set()),
    "report metrics": (metric("RayDocuments"), {"head"}),
    "report metrics of others": (metric("Ray/Head"), set()),
    "log in to the registry": (ask("ecr", "get_authorization_token"), {"execution"}),
    "pull the image": (
        ask("ecr", "batch_get_image", repositoryName=STACK, imageIds=[{"imageTag": "v"}]),
        {"execution"},
    ),
    "pull another image": (
        ask("ecr", "batch_get_image", repositoryName="other", imageIds=[{"imageTag": "v"}]),
        set(),
    ),
    "push an image": (
        ask("ecr", "put_image", repositoryName=STACK, imageManifest="{}"),
        set(),
    ),
    "read the token": (secret(f"{STACK}-token"), {"execution"}),
    "read Ray's token": (secret(f"{STACK}-ray-token"), {"execution"}),
    "read OpenAI's key": (secret(f"{STACK}-openai-api-key"), {"execution"}),
    "read Pinecone's key": (secret(f"{STACK}-pinecone-api-key"), {"execution"}),
    "read another secret": (secret("another"), set()),
    "log as the head": (logged(HEAD_LOGS), {"execution"}),
    "log as the function": (logged(FUNCTION_LOGS), {"function"}),
    "make a log group": (ask("logs", "create_log_group", logGroupName="/ecs/other"), set()),
    "change a service": (
        ask("ecs", "update_service", cluster=STACK, service="x", desiredCount=9),
        set(),
    ),
    "open a shell": (
        ask("ecs", "execute_command", cluster=STACK, task="0" * 32, command="sh", interactive=True),
        set(),
    ),
    "list the roles": (ask("iam", "list_roles"), set()),
}


@pytest.fixture(scope="module")
def filled(made: Pipeline) -> Pipeline:
    """A stack with an object, a secret that is not its own, and another repository."""
    for key in ("input/a", "failed/a"):
        made.found("s3", "put_object", Bucket=BUCKET, Key=key, Body=b"x")
    made.found("secretsmanager", "create_secret", Name="another", SecretString="x")
    made.found("ecr", "create_repository", repositoryName="other")
    found = made.found("secretsmanager", "list_secrets")["SecretList"]
    ARNS.update({one["Name"]: one["ARN"] for one in found})
    return made


def is_refused(request: Request, aws: Aws) -> bool:
    """Say whether IAM refuses; any other answer means that IAM allowed the request."""
    try:
        request(aws)
    except ClientError as error:
        return error.response["Error"]["Code"] in REFUSALS
    return False


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_what_it_needs_and_is_refused_all_else(filled: Pipeline, role: str) -> None:
    keys = role_credentials(filled.id_of(ROLES[role]))
    with enforced():
        refused = {
            name: is_refused(request, lambda service: SESSION.client(service, **keys))
            for name, (request, _) in MATRIX.items()
        }

    assert {name for name, no in refused.items() if not no} == {
        name for name, (_, allowed) in MATRIX.items() if role in allowed
    }
