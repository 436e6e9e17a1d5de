"""The sweep finds what no message stands for; a retry brings back what failed."""

import json
from datetime import UTC, datetime

import pytest

from documents.identity import ObjectRef
from documents.sweep import backlog, retry
from tests.unit.documents.conftest import Clients, SetClock
from tests.unit.documents.pipeline import QUEUE, Pipeline


@pytest.fixture
def pipeline(aws: Clients, clock: SetClock) -> Pipeline:
    return Pipeline(aws, clock)


def asked_for(aws: Clients) -> set[str]:
    """Return the keys in the queue, and empty it."""
    found = aws("sqs").receive_message(QueueUrl=QUEUE, MaxNumberOfMessages=10)
    messages = found.get("Messages", [])
    for one in messages:
        aws("sqs").delete_message(QueueUrl=QUEUE, ReceiptHandle=one["ReceiptHandle"])
    return {json.loads(one["Body"])["key"] for one in messages}


def test_an_object_whose_event_was_lost_gets_a_message(aws: Clients, pipeline: Pipeline) -> None:
    pipeline.put("lost.txt", "text")
    pipeline.add("known.txt", "other text")
    pipeline.aws("s3").put_object(Bucket="bucket", Key="input/folder/", Body=b"")

    assert pipeline.sweep().messages == 1
    assert asked_for(aws) == {"input/lost.txt"}


def test_so_does_a_version_whose_event_was_lost_and_a_removal(
    aws: Clients, pipeline: Pipeline, clock: SetClock
) -> None:
    pipeline.add("changed.txt", "text")
    pipeline.add("removed.txt", "other text")
    pipeline.put("changed.txt", "new text")
    pipeline.delete("removed.txt")

    assert pipeline.sweep().messages == 0  # their own messages may be under way
    clock.sleep(601)
    pipeline.sweep()

    assert asked_for(aws) == {"input/changed.txt", "input/removed.txt"}


def test_what_is_indexed_or_failed_is_left_alone(
    aws: Clients, pipeline: Pipeline, clock: SetClock
) -> None:
    pipeline.add("done.txt", "text")
    pipeline.add("secret.txt", "encrypted")
    clock.sleep(601)

    assert pipeline.sweep().messages == 0
    assert pipeline.vectors() == 1


def test_vectors_of_a_lost_worker_are_deleted(pipeline: Pipeline, clock: SetClock) -> None:
    ref = pipeline.put("a.txt", "text")
    claim = pipeline.access().claims.take(ref)
    assert claim
    name = pipeline.access().sets.start(claim, "a" * 64)
    pipeline.access().sets.reserve(name, 1)

    assert pipeline.sweep().sets == 0
    clock.sleep(601)
    assert pipeline.sweep().sets == 1
    assert pipeline.sweep().sets == 0


@pytest.mark.parametrize("key", ["", "secret.txt", "input/secret.txt"])
def test_a_retry_brings_back_what_failed(aws: Clients, pipeline: Pipeline, key: str) -> None:
    pipeline.add("secret.txt", "encrypted")

    moved = retry(pipeline.access(), "a person", key)

    newest = aws("s3").head_object(Bucket="bucket", Key="input/secret.txt")["VersionId"]
    assert moved == {ObjectRef("bucket", "input/secret.txt"): newest}
    assert pipeline.keys("input/") == {"input/secret.txt"}
    assert asked_for(aws) == {"input/secret.txt"}
    pipeline.add("secret.txt", "readable text now")
    assert pipeline.record("secret.txt")["status"] == "DONE"
    assert "reason" not in pipeline.record("secret.txt")


def test_a_retry_of_another_key_or_of_nothing_moves_nothing(pipeline: Pipeline) -> None:
    pipeline.add("secret.txt", "encrypted")

    assert retry(pipeline.access(), "a person", "other.txt") == {}
    pipeline.aws("s3").delete_object(Bucket="bucket", Key="failed/secret.txt")
    assert retry(pipeline.access(), "a person") == {}


def test_objects_are_counted_by_status_and_listed_by_day(pipeline: Pipeline) -> None:
    pipeline.add("a.txt", "text")
    pipeline.add("b.txt", "encrypted")
    assert pipeline.access().claims.take(ObjectRef("bucket", "input/c.txt"))

    counted = backlog(pipeline.access())
    assert counted == {"RECEIVED": 1, "PARSED": 0, "EMBEDDED": 0, "DONE": 1, "FAILED": 1}
    today = datetime.fromtimestamp(pipeline.clock.now(), UTC).strftime("%Y-%m-%d")
    assert len(list(pipeline.access().listing.of_day(today))) == 3
