"""The three tables, the queue and the bucket of a pipeline, in moto, with a clock that is set."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from documents.control.claims import Claims
from documents.control.records import Audit, Metrics
from documents.control.tables import AUDIT, CONTROL, METRICS
from documents.control.vector_sets import VectorSets
from documents.identity import ObjectRef
from localcloud.patches import s3vectors
from tests.simulation import answers

Clients = Callable[[str], Any]
NOON = 1_795_953_600.0  # 2026-11-29 12:00:00 UTC


class SetClock:
    """A clock that only the test, and sleeping, moves."""

    def __init__(self, now: float = NOON) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def make_resources() -> dict[str, Any]:
    """Make the tables, the queue and the bucket of a pipeline; return clients."""
    clients = {
        name: boto3.client(name, region_name="us-east-1")
        for name in ("dynamodb", "sqs", "s3", "s3vectors")
    }
    for name, shape in (("control", CONTROL), ("audit", AUDIT), ("metrics", METRICS)):
        clients["dynamodb"].create_table(TableName=name, **shape)
    clients["sqs"].create_queue(QueueName="documents")
    clients["s3"].create_bucket(Bucket="bucket")
    clients["s3"].put_bucket_versioning(
        Bucket="bucket", VersioningConfiguration={"Status": "Enabled"}
    )
    clients["s3vectors"].create_vector_bucket(vectorBucketName="vectors")
    clients["s3vectors"].create_index(
        vectorBucketName="vectors",
        indexName="documents",
        dataType="float32",
        dimension=64,
        distanceMetric="cosine",
        metadataConfiguration={"nonFilterableMetadataKeys": ["text", "heading"]},
    )
    return clients


@pytest.fixture
def aws() -> Iterator[Clients]:
    """Clients of an account that has the pipeline's tables, queue and bucket."""
    s3vectors.install()
    answers.install()
    with mock_aws():
        yield make_resources().__getitem__


@pytest.fixture
def claims(aws: Clients, clock: SetClock) -> Claims:
    return Claims(aws("dynamodb"), "control", clock, 60)


@pytest.fixture
def sets(aws: Clients, clock: SetClock) -> VectorSets:
    return VectorSets(aws("dynamodb"), "control", clock)


@pytest.fixture
def audit(aws: Clients, clock: SetClock) -> Audit:
    return Audit(aws("dynamodb"), "audit", clock, days=10)


@pytest.fixture
def metrics(aws: Clients, clock: SetClock) -> Metrics:
    return Metrics(aws("dynamodb"), "metrics", clock)


@pytest.fixture
def report() -> ObjectRef:
    return ObjectRef("bucket", "input/report.pdf")
