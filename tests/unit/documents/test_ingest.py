"""An object's way through ingestion, whatever it holds, and whenever its worker dies."""

import json
import os
from itertools import count

import pytest
from botocore.exceptions import ClientError

from documents.attempt import Outcome
from documents.control.records import Metrics
from documents.errors import Unavailable
from documents.identity import ObjectRef
from documents.ingest import BUSY
from tests.marks import THOROUGH_ONLY
from tests.unit.documents.conftest import Clients, SetClock
from tests.unit.documents.pipeline import HashedWords, Killed, Mortal, Pipeline, settings

FIRST = "The contract ends after thirty days."
SECOND = "The contract ends after sixty days."


# Every third call; all of them in thorough.
STEP = 1 if "RAYKILN_THOROUGH" in os.environ else 3
BEFORE_OR_AFTER = [
    pytest.param(False, id="before", marks=THOROUGH_ONLY),
    pytest.param(True, id="after"),
]


@pytest.fixture
def pipeline(aws: Clients, clock: SetClock) -> Pipeline:
    return Pipeline(aws, clock)


def test_a_document_is_answered_from_with_its_page(pipeline: Pipeline) -> None:
    outcome = pipeline.add("contract.txt", f"Nothing here.\f{FIRST}")

    assert outcome == Outcome(True, "indexed 2 pages as 2 chunks")
    assert pipeline.found("when does the contract end")[0] == (("contract.txt",), 2, FIRST)
    record = pipeline.record("contract.txt")
    assert (record["status"], record["pages"], record["chunks"]) == ("DONE", 2, 2)
    assert "claim" not in record


def test_what_was_read_is_kept_as_text_for_as_long_as_it_is_answered_from(
    pipeline: Pipeline,
) -> None:
    pipeline.add("a.txt", f"Nothing here.\f\f{FIRST}")
    (key,) = pipeline.keys("processed/")
    body = pipeline.aws("s3").get_object(Bucket="bucket", Key=key)["Body"].read()

    assert [json.loads(line) for line in body.splitlines()] == [
        {"page": 1, "heading": "", "text": "Nothing here."},
        {"page": 3, "heading": "", "text": FIRST},
    ]
    assert pipeline.record("a.txt")["text"] == key
    pipeline.add("b.txt", f"Nothing here.\f\f{FIRST}")
    assert pipeline.record("b.txt")["text"] == key
    pipeline.ingest(pipeline.delete("b.txt"))
    assert "text" not in pipeline.record("b.txt")
    pipeline.add("a.txt", SECOND)
    assert pipeline.keys("processed/") == {pipeline.record("a.txt")["text"]} != {key}
    pipeline.add("a.txt", "encrypted")
    assert pipeline.keys("processed/") == set()
    assert "text" not in pipeline.record("a.txt")


def test_a_new_version_replaces_the_old_one_and_its_vectors(pipeline: Pipeline) -> None:
    pipeline.add("contract.txt", FIRST)
    pipeline.add("contract.txt", SECOND)

    assert pipeline.texts("contract") == {SECOND}
    assert pipeline.vectors() == 1


def test_the_same_content_twice_is_one_document_of_two_names(pipeline: Pipeline) -> None:
    pipeline.add("a.txt", FIRST)
    outcome = pipeline.add("b.txt", FIRST)

    assert outcome.words == "its content is indexed already"
    assert pipeline.found("contract") == [(("a.txt", "b.txt"), 1, FIRST)]
    assert pipeline.vectors() == 1

    pipeline.ingest(pipeline.delete("a.txt"))
    assert pipeline.found("contract") == [(("b.txt",), 1, FIRST)]
    pipeline.ingest(pipeline.delete("b.txt"))
    assert pipeline.found("contract") == []
    assert pipeline.vectors() == 0


def test_the_same_message_twice_changes_nothing(pipeline: Pipeline) -> None:
    pipeline.add("a.txt", FIRST)
    before = pipeline.found("contract")

    pipeline.ingest(ObjectRef("bucket", "input/a.txt"))

    assert pipeline.found("contract") == before
    assert pipeline.vectors() == 1


def test_a_removed_object_keeps_a_record_of_that_for_a_while(
    pipeline: Pipeline, clock: SetClock
) -> None:
    pipeline.add("a.txt", FIRST)
    outcome = pipeline.ingest(pipeline.delete("a.txt"))

    record = pipeline.record("a.txt")
    assert outcome.words == "removed"
    assert (record["status"], record["expires_at"]) == ("REMOVED", clock.now() + 30 * 86_400)

    pipeline.add("a.txt", FIRST)
    assert pipeline.record("a.txt")["status"] == "DONE"
    assert "expires_at" not in pipeline.record("a.txt")


def test_what_cannot_be_read_fails_at_once_with_its_reason_and_is_moved(
    pipeline: Pipeline,
) -> None:
    outcome = pipeline.add("folder/secret.txt", "encrypted")

    record = pipeline.record("folder/secret.txt")
    assert outcome.finished
    assert (record["status"], record["reason"]) == (
        "FAILED",
        "encrypted: it opens only with a password",
    )
    assert record["moved_to"] == "failed/folder/secret.txt"
    assert pipeline.keys("input/") == set()
    assert pipeline.keys("failed/") == {"failed/folder/secret.txt"}

    # S3 notifies of the move as well.
    pipeline.ingest(ObjectRef("bucket", "input/folder/secret.txt"))
    assert pipeline.record("folder/secret.txt")["reason"].startswith("encrypted")


def test_what_may_be_the_machines_fault_fails_after_the_last_attempt(pipeline: Pipeline) -> None:
    ref = pipeline.put("poison.txt", "crash")

    outcomes = [pipeline.ingest(ref) for _ in range(3)]

    assert [one.finished for one in outcomes] == [False, False, True]
    assert pipeline.record("poison.txt")["reason"] == (
        "its parser crashed (SIGSEGV), in each of 3 attempts"
    )


def test_a_fault_of_ours_fails_the_document_alone_and_says_what(pipeline: Pipeline) -> None:
    ref = pipeline.put("odd.txt", "bug")

    outcomes = [pipeline.ingest(ref) for _ in range(4)]

    assert [one.finished for one in outcomes] == [False, False, False, True]
    assert "KeyError: 'bug'" in pipeline.record("odd.txt")["reason"]


def test_a_new_version_that_cannot_be_read_is_answered_from_no_more(pipeline: Pipeline) -> None:
    pipeline.add("a.txt", FIRST)
    pipeline.add("a.txt", "encrypted")

    assert pipeline.found("contract") == []
    assert pipeline.vectors() == 0


def test_too_big_and_empty_files_fail(aws: Clients, clock: SetClock) -> None:
    pipeline = Pipeline(aws, clock, settings(max_bytes=1000))
    pipeline.add("big.txt", "word " * 300)
    pipeline.add("scan.txt", " \f \f ")

    assert pipeline.record("big.txt")["reason"] == "too big: 0.0 MiB; the limit is 0.000953674 MiB"
    assert "OCR, which is out of scope" in pipeline.record("scan.txt")["reason"]


def test_pages_without_text_are_named(pipeline: Pipeline) -> None:
    pipeline.add("half.txt", f"{FIRST}\f \f \f{SECOND}")

    assert pipeline.record("half.txt")["note"] == (
        "no text on page 2, 3: scanned pages need OCR, which is out of scope"
    )


def test_an_object_that_is_being_worked_on_waits(pipeline: Pipeline) -> None:
    ref = pipeline.put("a.txt", FIRST)
    assert pipeline.access().claims.take(ref)

    assert pipeline.ingest(ref) == Outcome(False, BUSY)


def test_a_budget_that_is_used_up_is_waited_for_and_is_no_attempt(
    aws: Clients, clock: SetClock, metrics: Metrics
) -> None:
    pipeline = Pipeline(aws, clock, settings(tokens_per_day=100), HashedWords(tokens=60))
    pipeline.add("a.txt", FIRST)

    outcome = pipeline.add("b.txt", SECOND)

    record = pipeline.record("b.txt")
    assert (outcome.finished, outcome.retry_after) == (False, 43_200)
    assert record["attempts"] == 0
    assert record["waiting"].startswith("the budget of 100 tokens a day is used up")
    assert pipeline.vectors() == 1
    clock.sleep(43_200)
    assert pipeline.ingest(ObjectRef("bucket", "input/b.txt")).finished
    assert metrics.of_day("2026-11-30")["tokens"] == 60
    assert metrics.of_day("2026-11-30")["dollars"] == 0.000002


def test_a_document_above_a_whole_days_budget_fails(aws: Clients, clock: SetClock) -> None:
    pipeline = Pipeline(aws, clock, settings(tokens_per_day=100), HashedWords(tokens=60))

    pipeline.add("long.txt", "\f".join([FIRST] * 5))

    assert "100 tokens of a day's budget" in pipeline.record("long.txt")["reason"]
    assert pipeline.vectors() == 0


def test_what_was_done_is_counted_and_recorded(pipeline: Pipeline, metrics: Metrics) -> None:
    pipeline.add("a.txt", f"{FIRST}\f{SECOND}")
    pipeline.clock.sleep(1)
    pipeline.add("a.txt", "encrypted")

    counted = metrics.of_day("2026-11-29")
    assert {name: counted[name] for name in ("documents", "pages", "chunks", "failed")} == {
        "documents": 1,
        "pages": 2,
        "chunks": 2,
        "failed": 1,
    }
    entries = list(pipeline.access().audit.entries("object/bucket/input/a.txt"))
    assert [(one["who"], one["what"]) for one in entries] == [
        ("worker", "DONE"),
        ("worker", "FAILED"),
    ]


def dies(pipeline: Pipeline, ref: ObjectRef, number: int, after: bool) -> bool:
    """Let a worker die before or after one of its calls; False when it had fewer."""
    try:
        pipeline.ingest(ref, Mortal(pipeline.aws, number, after))
    except Killed:
        return True
    return False


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("after", BEFORE_OR_AFTER)
@pytest.mark.parametrize("text", [f"{FIRST}\f{SECOND}\f{FIRST}", "encrypted"])
def test_whenever_a_worker_dies_one_version_answers_and_the_next_attempt_completes_it(
    pipeline: Pipeline, clock: SetClock, text: str, after: bool
) -> None:
    new = set() if text == "encrypted" else set(text.split("\f"))
    for number in count(1, STEP):
        pipeline.add("contract.txt", "The former contract.")
        ref = pipeline.put("contract.txt", text)
        died = dies(pipeline, ref, number, after)
        assert pipeline.texts("contract") in ({"The former contract."}, new), number

        clock.sleep(61)
        assert pipeline.ingest(ref).finished, number

        assert pipeline.texts("contract") == new, number
        assert pipeline.record("contract.txt")["status"] == ("DONE" if new else "FAILED"), number
        clock.sleep(601)
        pipeline.sweep()
        assert pipeline.vectors() == len(text.split("\f")) * bool(new), number
        assert len(pipeline.keys("processed/")) == bool(new), number
        if not died:
            break
    assert number > 10


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("after", BEFORE_OR_AFTER)
def test_whenever_a_worker_dies_a_removal_completes(
    pipeline: Pipeline, clock: SetClock, after: bool
) -> None:
    for number in count(1, STEP):
        pipeline.add("a.txt", FIRST)
        ref = pipeline.delete("a.txt")
        died = dies(pipeline, ref, number, after)
        clock.sleep(61)
        assert pipeline.ingest(ref).finished
        clock.sleep(601)
        pipeline.sweep()

        assert pipeline.texts("contract") == set(), number
        assert pipeline.vectors() == 0, number
        assert pipeline.keys("processed/") == set(), number
        if not died:
            break
    assert number > 5


@pytest.mark.slow
@pytest.mark.thorough
def test_whichever_call_fails_one_version_answers_and_no_attempt_is_lost(
    pipeline: Pipeline, clock: SetClock
) -> None:
    throttled = {"Error": {"Code": "ThrottlingException", "Message": "later"}}
    error = ClientError(throttled, "Operation")
    for number in count(1, STEP):
        pipeline.add("contract.txt", FIRST)
        ref = pipeline.put("contract.txt", SECOND)
        mortal = Mortal(pipeline.aws, number, error=error)
        try:
            pipeline.ingest(ref, mortal)
        except Unavailable:
            assert number == 1  # without a claim there is nothing to give back
        assert pipeline.texts("contract") in ({FIRST}, {SECOND}), number

        clock.sleep(61)
        assert pipeline.ingest(ref).finished, number

        assert pipeline.texts("contract") == {SECOND}, number
        assert pipeline.record("contract.txt")["status"] == "DONE"
        clock.sleep(601)
        pipeline.sweep()
        assert pipeline.vectors() == 1, number
        assert pipeline.keys("processed/") == {pipeline.record("contract.txt")["text"]}, number
        if mortal.calls < number:
            break
    assert number > 10
