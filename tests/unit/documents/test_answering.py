"""Questions that come while documents change: exactly one version answers."""

from collections.abc import Callable
from typing import Any

import pytest

from documents.errors import Unavailable
from documents.providers.interfaces import Hit, Stored, Vector
from tests.unit.documents.conftest import Clients, SetClock
from tests.unit.documents.pipeline import Pipeline

OLD, NEW = "The contract ends in May.", "The contract ends in June."


@pytest.fixture
def pipeline(aws: Clients, clock: SetClock) -> Pipeline:
    return Pipeline(aws, clock)


class ChangingIndex:
    """An index beside which something happens after each search."""

    def __init__(self, index: Any, *happenings: Callable[[], Any]) -> None:
        self._index, self._happenings = index, list(happenings)
        self.searches = 0

    def search(self, vector: Vector, count: int) -> list[Hit]:
        hits: list[Hit] = self._index.search(vector, count)
        self.searches += 1
        if self._happenings:
            self._happenings.pop(0)()
        return hits


def test_a_version_that_is_replaced_between_search_and_look_up_is_searched_for_again(
    pipeline: Pipeline,
) -> None:
    pipeline.add("a.txt", OLD)
    answerer = pipeline.answerer()
    index = ChangingIndex(answerer.index, lambda: pipeline.add("a.txt", NEW))
    answerer.index = index  # type: ignore[assignment] # it can only search

    assert [one.text for one in answerer.passages("contract", 5)] == [NEW]
    assert index.searches == 2


def test_a_document_that_is_removed_meanwhile_is_not_answered_from(pipeline: Pipeline) -> None:
    pipeline.add("a.txt", OLD)
    answerer = pipeline.answerer()
    answerer.index = ChangingIndex(  # type: ignore[assignment] # it can only search
        answerer.index, lambda: pipeline.ingest(pipeline.delete("a.txt"))
    )

    assert answerer.passages("contract", 5) == []


def test_documents_that_change_at_every_search_are_waited_for(pipeline: Pipeline) -> None:
    pipeline.add("a.txt", OLD)
    changes = [lambda n=n: pipeline.add("a.txt", f"contract {n}") for n in range(9)]
    answerer = pipeline.answerer()
    answerer.index = ChangingIndex(answerer.index, *changes)  # type: ignore[assignment] # as above

    with pytest.raises(Unavailable, match="change faster"):
        answerer.passages("contract", 5)


def test_vectors_that_do_not_serve_yet_are_not_answered_from(pipeline: Pipeline) -> None:
    pipeline.add("a.txt", OLD)
    work, ref = pipeline.work(), pipeline.put("a.txt", NEW)
    claim = work.claims.take(ref)
    assert claim
    name = work.sets.start(claim, "f" * 64)
    vectors = work.embeddings.embed([NEW] * 4)
    stored = [Stored(name, number, "f" * 64, 1, "", NEW) for number in range(4)]
    work.index.put(list(zip(stored, vectors, strict=True)))

    assert pipeline.texts("contract") == {OLD}
