"""A pipeline for a test: moto's server with QueryVectors, tables, queues, buckets, and settings."""

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
from moto.dynamodb.responses import DynamoHandler
from moto.server import ThreadedMotoServer

from common.waiting import Seen, SystemClock, wait_for
from documents.control.listing import Listing
from documents.control.tables import AUDIT, CONTROL, METRICS
from documents.events import note
from documents.identity import ObjectRef
from documents.providers.s3vectors_index import NON_FILTERABLE
from localcloud.patches import dynamodb_transactions, s3vectors

TOKEN = "a-token-for-tests"
REGION = "us-east-1"


@dataclass
class PipelineCloud:
    """What AWS has of a pipeline; ``variables`` are what its application is told."""

    url: str
    variables: dict[str, str]
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            made = boto3.client(service, region_name=REGION, endpoint_url=self.url)
            self._clients[service] = made
        return self._clients[service]

    def put(self, key: str, content: bytes, *, notified: bool = True) -> None:
        """Put an object, and do what the function does that S3 notifies."""
        key = f"input/{key}"
        answer = self.client("s3").put_object(Bucket="bucket", Key=key, Body=content)
        if notified:
            item = {"key": key, "versionId": answer["VersionId"]}
            record = {"s3": {"object": item}, "userIdentity": {"principalId": "test"}}
            note(self.client("dynamodb"), "control", "bucket", key, record)
            self.send(key)

    def delete(self, key: str) -> None:
        self.client("s3").delete_object(Bucket="bucket", Key=f"input/{key}")
        self.send(f"input/{key}")

    def send(self, key: str) -> None:
        body = json.dumps({"bucket": "bucket", "key": key})
        self.client("sqs").send_message(
            QueueUrl=self.variables["DOCUMENTS_QUEUE_URL"], MessageBody=body
        )

    def statuses(self) -> dict[str, str]:
        """Return the status of every object, or its reason where it failed."""
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName="control")
        return {
            item["key"]["S"].removeprefix("input/"): item.get("reason", item["status"])["S"]
            for page in pages
            for item in page["Items"]
            if item["id"]["S"].startswith("object/") and "claim" not in item
        }

    def left(self) -> int:
        """Return how many messages wait or are worked on."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client("sqs").get_queue_attributes(
            QueueUrl=self.variables["DOCUMENTS_QUEUE_URL"], AttributeNames=names
        )
        return sum(map(int, found["Attributes"].values()))

    def done_at(self, keys: Sequence[str]) -> float:
        """Return when the last of these objects was done, in seconds of Unix time."""
        records = Listing(self.client("dynamodb"), "control").records(
            [ObjectRef("bucket", key) for key in keys]
        )
        found = list(records.values())
        assert [one["status"] for one in found] == ["DONE"] * len(keys)
        return max(datetime.fromisoformat(one["updated_at"]).timestamp() for one in found)

    def wait(self, expected: Mapping[str, str], seconds: float) -> None:
        """Wait until these objects have these statuses; a reason need only begin so."""

        def look() -> Seen[bool]:
            found = self.statuses()
            missing = {
                key: found.get(key)
                for key, status in expected.items()
                if not (found.get(key) or "").startswith(status)
            }
            return Seen(None if missing else True, f"{len(missing)} to go, as {missing}"[:500])

        wait_for("the documents", look, clock=SystemClock(), seconds=seconds)


@cache
def one_call_at_a_time() -> None:
    """Let moto's DynamoDB answer one call at a time, as the local cloud does.

    A transaction copies whole tables, and a failed one restores them, whatever was written
    meanwhile (moto 5.2.5, dynamodb/models/__init__.py, transact_write_items).
    """
    lock, call_action = threading.Lock(), DynamoHandler.call_action

    def locked(self: Any) -> Any:
        with lock:
            return call_action(self)

    DynamoHandler.call_action = locked


@contextmanager
def cloud(model: Path, **settings: Any) -> Iterator[PipelineCloud]:
    """Run one on a free port, in this process, with nothing of one before it."""
    s3vectors.install()
    dynamodb_transactions.install()
    one_call_at_a_time()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    found = PipelineCloud(f"http://{host}:{port}", {})
    try:
        # https://docs.getmoto.org/en/latest/docs/server_mode.html#reset-api
        urlopen(f"{found.url}/moto-api/reset", data=b"").close()  # noqa: S310 # http, to ourselves
        found.variables = _variables(found, model, _make(found), settings)
        yield found
    finally:
        server.stop()


def _make(found: PipelineCloud) -> str:
    for name, shape in (("control", CONTROL), ("audit", AUDIT), ("metrics", METRICS)):
        found.client("dynamodb").create_table(TableName=name, **shape)
    found.client("s3").create_bucket(Bucket="bucket")
    found.client("s3").put_bucket_versioning(
        Bucket="bucket", VersioningConfiguration={"Status": "Enabled"}
    )
    found.client("s3vectors").create_vector_bucket(vectorBucketName="vectors")
    found.client("s3vectors").create_index(
        vectorBucketName="vectors",
        indexName="documents",
        dataType="float32",
        dimension=384,
        distanceMetric="cosine",
        metadataConfiguration={"nonFilterableMetadataKeys": list(NON_FILTERABLE)},
    )
    return str(found.client("sqs").create_queue(QueueName="documents")["QueueUrl"])


def _variables(
    found: PipelineCloud, model: Path, queue: str, settings: dict[str, Any]
) -> dict[str, str]:
    values = {
        "region": REGION,
        "bucket": "bucket",
        "queue_url": queue,
        "control_table": "control",
        "audit_table": "audit",
        "metrics_table": "metrics",
        "vector_bucket": "vectors",
        "model_folder": model,
        "token": TOKEN,
        **settings,
    }
    told = {f"DOCUMENTS_{name.upper()}": str(value) for name, value in values.items()}
    names = [name for name in os.environ if name.startswith("AWS_")]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", *names) if name in os.environ}
    return {**kept, **told, "AWS_ENDPOINT_URL": found.url, "OMP_NUM_THREADS": "1"}
