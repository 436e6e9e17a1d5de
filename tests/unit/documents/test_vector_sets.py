"""Which vectors serve: one document for the same content, and a switch that is one moment."""

from collections.abc import Callable

import pytest

from documents.control.claims import Claim, Claims
from documents.control.vector_sets import VectorSets
from documents.errors import ClaimLost
from documents.identity import ObjectRef
from tests.unit.documents.conftest import SetClock

OLD, NEW = "a" * 64, "b" * 64
Index = Callable[[str, str], Claim]


@pytest.fixture
def indexed(claims: Claims, sets: VectorSets) -> Index:
    """Index an object with this content, up to its switch: the claim is still held."""

    def index(key: str, sha256: str) -> Claim:
        claim = claims.take(ObjectRef("bucket", key))
        assert claim
        if sets.find(sha256):
            assert sets.join(claim, sha256)
        else:
            name = sets.start(claim, sha256)
            sets.reserve(name, 3)
            assert sets.switch(claim, sha256, name, chunks=3)
        return claim

    return index


def served(sets: VectorSets) -> set[str]:
    return set(sets.serving([OLD, NEW]))


def test_a_new_version_answers_in_place_of_the_old_one_at_once(
    claims: Claims, sets: VectorSets, indexed: Index
) -> None:
    claims.settle(indexed("input/a.pdf", OLD))
    assert served(sets) == {OLD}

    claim = indexed("input/a.pdf", NEW)

    assert served(sets) == {NEW}
    former = (sets.find(OLD) or {})["vector_set"]
    sets.retire(OLD)
    assert sets.find(OLD) is None
    assert sets.reserved(former) == 3
    claims.settle(claim)


def test_the_same_content_twice_is_one_document(
    claims: Claims, sets: VectorSets, indexed: Index
) -> None:
    for key in ("input/a.pdf", "input/b.pdf"):
        claims.settle(indexed(key, OLD))

    assert (sets.find(OLD) or {})["objects"] == {
        "object/bucket/input/a.pdf",
        "object/bucket/input/b.pdf",
    }
    claims.settle(indexed("input/a.pdf", NEW))
    sets.retire(OLD)
    assert served(sets) == {OLD, NEW}


def test_a_deleted_object_no_longer_answers(
    claims: Claims, sets: VectorSets, indexed: Index
) -> None:
    claims.settle(indexed("input/a.pdf", OLD))
    claim = claims.take(ObjectRef("bucket", "input/a.pdf"))
    assert claim

    sets.leave(claim)

    assert served(sets) == set()
    record = claims.find(claim.ref) or {}
    assert (record["status"], record["retiring"], record.get("document")) == ("REMOVED", OLD, None)


def test_a_worker_that_lost_its_claim_switches_nothing(
    claims: Claims, sets: VectorSets, clock: SetClock, report: ObjectRef
) -> None:
    lost = claims.take(report)
    assert lost
    name = sets.start(lost, OLD)
    clock.sleep(61)
    assert claims.take(report)

    with pytest.raises(ClaimLost):
        sets.switch(lost, OLD, name)
    assert served(sets) == set()


def test_of_two_workers_with_the_same_content_the_later_one_joins(
    claims: Claims, sets: VectorSets, indexed: Index
) -> None:
    second = claims.take(ObjectRef("bucket", "input/b.pdf"))
    assert second
    name = sets.start(second, OLD)
    claims.settle(indexed("input/a.pdf", OLD))

    assert not sets.switch(second, OLD, name)
    assert sets.join(second, OLD)
    sets.give_up(name)
    assert (sets.find(OLD) or {})["vector_set"] != name


def test_vectors_that_were_given_up_are_not_switched_to(
    claims: Claims, sets: VectorSets, report: ObjectRef
) -> None:
    claim = claims.take(report)
    assert claim
    name = sets.start(claim, OLD)
    sets.give_up(name)

    with pytest.raises(ClaimLost):
        sets.reserve(name, 1)
    assert not sets.switch(claim, OLD, name)
    assert served(sets) == set()


def test_vectors_that_serve_are_neither_given_up_nor_forgotten(
    claims: Claims, sets: VectorSets, indexed: Index
) -> None:
    claims.settle(indexed("input/a.pdf", OLD))
    name = (sets.find(OLD) or {})["vector_set"]

    sets.give_up(name)
    sets.forget(name)
    sets.retire(OLD)

    assert sets.reserved(name) == 0
    assert served(sets) == {OLD}
