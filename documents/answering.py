"""From a question to passages and an answer. Touches the index and the control table.

The index may hold vectors that serve no more, or not yet. The control table says which do, all as
of one moment. A search that found some that do not may have come before the vectors that replaced
them, so it is repeated until all that it left out had been left out before it began: at no moment
does a question find both versions of a document, or neither.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from documents.control.records import Metrics
from documents.control.vector_sets import VectorSets
from documents.errors import Unavailable
from documents.identity import object_of
from documents.providers.interfaces import Answers, Embeddings, Hit, Index, Passage
from documents.settings import Settings

# Neighbours of an answer are looked through so many deep, for what serves no more.
DEPTH = 5
SEARCHES = 6
LONGEST_QUESTION = 2000
# Documents' records by SHA-256.
Serving = dict[str, dict[str, Any]]


@dataclass
class Answerer:
    """What is needed to answer questions."""

    settings: Settings
    embeddings: Embeddings
    index: Index
    sets: VectorSets
    metrics: Metrics
    answers: Answers

    def passages(self, question: str, count: int) -> list[Passage]:
        """Return the nearest passages that serve, best first.

        Raises Unavailable, OverBudget among it.
        """
        self._spend(self.embeddings.count([question]), self.settings.openai_embedding_dollars)
        (vector,) = self.embeddings.embed([question])
        left_out: set[str] = set()
        for _ in range(SEARCHES):
            hits = self.index.search(vector, count * DEPTH)
            serving = self.sets.serving(hit.stored.document for hit in hits)
            stale = {hit.stored.vector_set for hit in hits if not _serves(hit, serving)}
            if stale <= left_out:
                return _passages(hits, serving, count)
            left_out |= stale
        raise Unavailable("the documents change faster than they can be searched", retry_after=1)

    def answer(self, question: str, passages: Sequence[Passage]) -> Iterator[str]:
        """Yield the answer, piece by piece; raises Unavailable or Refused, also half-way.

        How long it becomes is not known before: what is written may overspend a day's budget.
        """
        asked = self.answers.asked(question, passages)
        self._spend(asked, self.settings.openai_question_dollars)
        said = list[str]()
        try:
            for piece in self.answers.answer(question, passages):
                said.append(piece)
                yield piece
        finally:
            tokens = self.answers.written("".join(said)) if asked else 0
            self.metrics.spend(tokens, self.settings.openai_answer_dollars, None)

    def _spend(self, tokens: int, dollars: float) -> None:
        self.metrics.spend(tokens, dollars, self.settings.tokens_per_day)


def _serves(hit: Hit, serving: Serving) -> bool:
    return serving.get(hit.stored.document, {}).get("vector_set") == hit.stored.vector_set


def _passages(hits: list[Hit], serving: Serving, count: int) -> list[Passage]:
    return [
        Passage(
            _names(serving[hit.stored.document]),
            hit.stored.page,
            hit.stored.heading,
            hit.stored.text,
            hit.score,
        )
        for hit in hits
        if _serves(hit, serving)
    ][:count]


def _names(document: dict[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(object_of(one).name for one in document["objects"]))
