"""S3's events: at least once, in any order, with keys as they are in URLs."""

import json
from pathlib import Path
from typing import Any

import pytest

from documents import events
from documents.control.claims import Claims
from documents.control.records import Audit
from documents.identity import ObjectRef
from tests.unit.documents.conftest import Clients

QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/documents"


@pytest.fixture(autouse=True)
def _function(aws: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "client", aws)
    monkeypatch.setenv("CONTROL_TABLE", "control")
    monkeypatch.setenv("AUDIT_TABLE", "audit")
    monkeypatch.setenv("QUEUE_URL", QUEUE)


def an_event(key: str = "input/report.pdf", **item: Any) -> dict[str, Any]:
    name = item.pop("name", "ObjectCreated:Put")
    return {
        "Records": [
            {
                "eventName": name,
                "eventTime": item.pop("at", "2026-11-29T12:00:00.000Z"),
                "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"},
                "s3": {"bucket": {"name": "bucket"}, "object": {"key": key, **item}},
            }
        ]
    }


def messages(aws: Clients) -> list[str]:
    found = aws("sqs").receive_message(QueueUrl=QUEUE, MaxNumberOfMessages=10)
    return [json.loads(one["Body"])["key"] for one in found.get("Messages", ())]


def test_a_new_object_gets_a_record_and_a_message(
    aws: Clients, claims: Claims, report: ObjectRef
) -> None:
    events.handler(an_event(versionId="v1", sequencer="0A"))

    record = claims.find(report) or {}
    assert (record["status"], record["version"], record["attempts"]) == ("RECEIVED", "v1", 0)
    assert record["uploaded_by"] == "AWS:AIDAEXAMPLE"
    assert record["day"] == record["received_at"][:10]
    assert messages(aws) == ["input/report.pdf"]


def test_an_event_that_comes_again_changes_no_record_but_sends_its_message(
    aws: Clients, claims: Claims, report: ObjectRef
) -> None:
    events.handler(an_event(versionId="v1", sequencer="0A"))
    claim = claims.take(report)
    assert claim
    claims.settle(claim, status="DONE")

    events.handler(an_event(versionId="v1", sequencer="0A"))

    assert (claims.find(report) or {})["status"] == "DONE"
    assert len(messages(aws)) == 2


@pytest.mark.parametrize(("first", "second"), [("0A", "0B"), ("0A", "0A1"), ("9", "A")])
def test_the_newest_event_stays_whichever_comes_first(
    claims: Claims, report: ObjectRef, first: str, second: str
) -> None:
    for sequencer, version in ((second, "new"), (first, "old")):
        events.handler(an_event(versionId=version, sequencer=sequencer))

    assert (claims.find(report) or {})["version"] == "new"


def test_a_new_version_starts_anew_after_a_failure(claims: Claims, report: ObjectRef) -> None:
    events.handler(an_event(versionId="v1", sequencer="0A"))
    claim = claims.take(report)
    assert claim
    claims.settle(claim, status="FAILED", reason="encrypted", moved_to="failed/report.pdf")

    events.handler(an_event(versionId="v2", sequencer="0B"))

    record = claims.find(report) or {}
    assert (record["status"], record["attempts"]) == ("RECEIVED", 0)
    assert not {"reason", "moved_to"} & record.keys()


def test_the_audit_says_who_did_what_and_an_event_that_comes_again_is_one_entry(
    aws: Clients, audit: Audit, report: ObjectRef
) -> None:
    first = an_event(versionId="v1", sequencer="0A")
    later = "2026-11-29T12:00:01.000Z"
    gone = an_event(name="ObjectRemoved:Delete", versionId="v2", sequencer="0B", at=later)
    for event in (first, gone, first):
        events.handler(event)

    entries = [
        {name: one[name] for name in ("who", "what", "version", "expires_at")}
        for one in audit.entries(report.id)
    ]
    assert entries == [
        {
            "who": "AWS:AIDAEXAMPLE",
            "what": what,
            "version": version,
            "expires_at": 1_795_953_600 + 400 * 86_400 + after,
        }
        for what, version, after in (
            ("ObjectCreated:Put", "v1", 0),
            ("ObjectRemoved:Delete", "v2", 1),
        )
    ]


def test_keys_are_decoded(claims: Claims) -> None:
    events.handler(an_event("input/r%C3%A9sum%C3%A9+2+%2B+3.pdf", sequencer="0A"))

    assert claims.find(ObjectRef("bucket", "input/résumé 2 + 3.pdf"))


@pytest.mark.parametrize("key", ["failed/report.pdf", "input/", "input/folder/", "other.pdf"])
def test_what_is_no_document_is_left_alone(aws: Clients, key: str) -> None:
    events.handler(an_event(key, sequencer="0A"))

    assert messages(aws) == []
    assert aws("dynamodb").scan(TableName="control")["Count"] == 0


def test_a_removed_object_only_gets_a_message(aws: Clients, claims: Claims) -> None:
    events.handler(an_event(sequencer="0A", name="ObjectRemoved:DeleteMarkerCreated"))

    assert messages(aws) == ["input/report.pdf"]
    assert claims.find(ObjectRef("bucket", "input/report.pdf")) is None


def test_the_function_fits_inline_into_a_template() -> None:
    assert len(Path(events.__file__).read_bytes()) <= 4096
