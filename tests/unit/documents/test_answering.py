"""Questions that come while documents change: exactly one version answers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from documents.answering import Answerer
from documents.control.records import Metrics
from documents.errors import OverBudget, Unavailable
from documents.providers.interfaces import Hit, Passage, Stored, Vector
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


class WrittenAnswers:
    """Answers that are charged: ten tokens for a question, one for each word of the answer."""

    kind = "openai"

    def asked(self, question: str, passages: Sequence[Passage]) -> int:
        return 10 if passages else 0

    def written(self, answer: str) -> int:
        return len(answer.split())

    def answer(self, question: str, passages: Sequence[Passage]) -> Iterator[str]:
        yield from ("In ", "May ", "[1].")


@pytest.fixture
def writer(pipeline: Pipeline) -> Answerer:
    """An answerer whose embeddings cost nothing, with 15 tokens a day."""
    found = pipeline.answerer()
    limited = found.settings.model_copy(update={"tokens_per_day": 15})
    return replace(found, answers=WrittenAnswers(), settings=limited)


def test_what_a_model_reads_and_writes_is_counted_and_stops_at_the_budget(
    writer: Answerer, metrics: Metrics
) -> None:
    passages = [Passage(("a.txt",), 1, "", OLD, 0.9)]

    assert list(writer.answer("When?", passages)) == ["In ", "May ", "[1]."]
    # 10 at 0.15 and 3 at 0.60 dollars a million, each rounded up.
    assert metrics.of_day("2026-11-29") == {"tokens": 13, "dollars": 0.000004}
    with pytest.raises(OverBudget):
        next(writer.answer("When?", passages))
    assert list(writer.answer("When?", [])) == ["In ", "May ", "[1]."]
    assert metrics.of_day("2026-11-29")["tokens"] == 13


def test_an_answer_that_breaks_off_is_charged_as_far_as_it_came(
    writer: Answerer, metrics: Metrics
) -> None:
    answer = writer.answer("When?", [Passage(("a.txt",), 1, "", OLD, 0.9)])
    next(answer)
    del answer  # as where its client has gone

    assert metrics.of_day("2026-11-29")["tokens"] == 11
