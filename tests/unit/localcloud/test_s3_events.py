"""S3 tells of each change once, with its version, those who may be told."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.patches import s3_events
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.fakes import FakeClock

BUCKET = "documents"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:told"
PART = b"x" * (5 << 20)


class Told:
    """A bucket with versions, and a queue that is told of what changes below input/."""

    def __init__(self, aws: Clients, clock: FakeClock) -> None:
        self.s3, self.sqs, self.clock = aws("s3"), aws("sqs"), clock
        self.s3.create_bucket(Bucket=BUCKET)
        self.url = self.sqs.create_queue(QueueName="told")["QueueUrl"]

    def keep_versions(self) -> None:
        versions = {"Status": "Enabled"}
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=versions)

    def allow(self, source: str = f"arn:aws:s3:::{BUCKET}") -> None:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": QUEUE,
            "Condition": {"ArnLike": {"aws:SourceArn": source}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": policy})

    def configure(self) -> None:
        rules = [{"Name": "prefix", "Value": "input/"}]
        queue = {
            "QueueArn": QUEUE,
            "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
            "Filter": {"Key": {"FilterRules": rules}},
        }
        configuration = {"QueueConfigurations": [queue]}
        self.s3.put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration=configuration
        )

    def put(self, key: str, body: bytes = b"one") -> str:
        return str(self.s3.put_object(Bucket=BUCKET, Key=key, Body=body).get("VersionId"))

    def messages(self) -> list[dict[str, Any]]:
        """What the queue holds now, without S3's test events."""
        self.clock.advance(1)
        found: list[dict[str, Any]] = []
        while got := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10):
            if not got.get("Messages"):
                return [one["Records"][0] for one in found if "Records" in one]
            for message in got["Messages"]:
                found.append(json.loads(message["Body"]))
                handle = message["ReceiptHandle"]
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=handle)
        return []

    def names(self) -> list[str]:
        return [one["eventName"] for one in self.messages()]


@pytest.fixture
def told(aws: Clients, clock: FakeClock) -> Told:
    made = Told(aws, clock)
    made.keep_versions()
    made.allow()
    made.configure()
    return made


def test_an_object_is_told_once_with_its_version(told: Told) -> None:
    version = told.put("input/a b.pdf")
    told.put("other/a.pdf")

    (record,) = told.messages()

    thing = record["s3"]["object"]
    assert (record["eventName"], record["s3"]["bucket"]["name"]) == ("ObjectCreated:Put", BUCKET)
    assert (thing["key"], thing["size"], thing["versionId"]) == ("input/a+b.pdf", 3, version)
    assert thing["eTag"] == "f97c5d29941bfb1b2fdab0874906ab82"


def test_without_versions_there_is_no_version_id(aws: Clients, clock: FakeClock) -> None:
    told = Told(aws, clock)
    told.allow()
    told.configure()

    told.put("input/a.pdf")

    assert "versionId" not in told.messages()[0]["s3"]["object"]


def test_the_sequencer_grows_with_each_change(told: Told) -> None:
    for number in range(20):
        told.put("input/a.pdf", str(number).encode())

    found = [record["s3"]["object"]["sequencer"] for record in told.messages()]
    assert len(set(found)) == 20
    assert found == sorted(found)


def test_a_multipart_upload_is_told_once(told: Told) -> None:
    where = {"Bucket": BUCKET, "Key": "input/large.pdf"}
    upload = told.s3.create_multipart_upload(**where)["UploadId"]
    parts = []
    for number in (1, 2):
        made = told.s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=PART)
        parts.append({"ETag": made["ETag"], "PartNumber": number})
    assert told.names() == []

    told.s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})

    (record,) = told.messages()
    assert record["eventName"] == "ObjectCreated:CompleteMultipartUpload"
    assert record["s3"]["object"]["size"] == 2 * len(PART)


def test_a_copy_is_told_as_a_copy(told: Told) -> None:
    told.put("other/a.pdf")
    told.s3.copy_object(Bucket=BUCKET, Key="input/a.pdf", CopySource=f"{BUCKET}/other/a.pdf")

    assert told.names() == ["ObjectCreated:Copy"]


def test_deletions_are_told_with_their_versions(told: Told) -> None:
    version = told.put("input/a.pdf")
    marker = told.s3.delete_object(Bucket=BUCKET, Key="input/a.pdf")["VersionId"]
    told.s3.delete_object(Bucket=BUCKET, Key="input/a.pdf", VersionId=version)

    found = [(one["eventName"], one["s3"]["object"]["versionId"]) for one in told.messages()]
    assert found == [
        ("ObjectCreated:Put", version),
        ("ObjectRemoved:DeleteMarkerCreated", marker),
        ("ObjectRemoved:Delete", version),
    ]


def test_a_queue_that_does_not_allow_it_is_refused(aws: Clients, clock: FakeClock) -> None:
    told = Told(aws, clock)
    with pytest.raises(ClientError, match="Unable to validate"):
        told.configure()
    told.allow("arn:aws:s3:::another")
    with pytest.raises(ClientError, match="Unable to validate"):
        told.configure()

    told.allow()
    told.configure()


@pytest.mark.parametrize(
    ("effect", "at_once", "later"), [("lost", 0, 0), ("twice", 2, 0), ("late", 0, 1)]
)
def test_events_are_lost_doubled_or_late_on_request(
    told: Told, tmp_path: Path, effect: str, at_once: int, later: int
) -> None:
    file = tmp_path / "events"
    file.write_text(f"input/odd* {effect}\n")
    s3_events.follow(file)

    told.put("input/odd.pdf")
    assert len(told.messages()) == at_once
    told.put("input/even.pdf")
    assert told.names() == ["ObjectCreated:Put"]
    told.clock.advance(30)

    assert len(told.messages()) == later
