"""Claims: one worker an object; a lost worker's claim lapses, and its writes change nothing."""

import pytest

from documents.control.claims import Claim, Claims
from documents.errors import ClaimLost
from documents.identity import ObjectRef
from tests.unit.documents.conftest import SetClock


def taken(claims: Claims, ref: ObjectRef) -> Claim:
    claim = claims.take(ref)
    assert claim
    return claim


def test_only_one_worker_holds_an_object(claims: Claims, report: ObjectRef) -> None:
    taken(claims, report)

    assert claims.take(report) is None


def test_a_claim_that_is_not_renewed_lapses_and_counts_as_an_attempt(
    claims: Claims, clock: SetClock, report: ObjectRef
) -> None:
    lost = taken(claims, report)
    clock.sleep(61)

    assert taken(claims, report).attempts == 2
    with pytest.raises(ClaimLost):
        claims.progress(lost, "PARSED")
    with pytest.raises(ClaimLost):
        claims.settle(lost, status="DONE")


def test_a_claim_that_is_renewed_stays(claims: Claims, clock: SetClock, report: ObjectRef) -> None:
    claim = taken(claims, report)
    for _ in range(5):
        clock.sleep(50)
        claims.renew(claim)

    assert claims.take(report) is None


@pytest.mark.parametrize(("counted", "attempts"), [(True, 2), (False, 1)])
def test_a_release_says_why_and_whether_it_was_an_attempt(
    claims: Claims, report: ObjectRef, counted: bool, attempts: int
) -> None:
    claims.release(taken(claims, report), "the index did not answer", counted=counted)

    assert (claims.find(report) or {})["waiting"] == "the index did not answer"
    assert taken(claims, report).attempts == attempts


def test_an_object_without_an_event_gets_its_times_and_status(
    claims: Claims, report: ObjectRef
) -> None:
    record = taken(claims, report).record

    assert record["status"] == "RECEIVED"
    assert record["received_at"] == "2026-11-29T12:00:00.000+00:00"
    assert record["day"] == "2026-11-29"


def test_what_is_settled_starts_from_no_attempt(claims: Claims, report: ObjectRef) -> None:
    claims.settle(taken(claims, report), status="DONE", pages=3)

    again = taken(claims, report)
    assert (again.attempts, again.record["pages"]) == (1, 3)
