"""Measure answers against questions with known facts. No AWS."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from documents.providers.interfaces import Passage
from documents.quality.facts import Question

AT = 5
# Answers quote so many passages.
QUOTED = 3
Ask = Callable[[str], list[Passage]]


@dataclass(frozen=True)
class Score:
    """Shares of the questions, from 0 to 1.

    ``recall``: the right page is among the first five passages. ``mrr``: the mean of 1 divided by
    its rank. ``contains``: the quoted passages hold the fact. ``right_page``: the first passage is
    from the right page.
    """

    questions: int
    recall: float
    mrr: float
    contains: float
    right_page: float

    def __str__(self) -> str:
        return (
            f"{self.questions} questions: recall@{AT} {self.recall:.3f}, MRR {self.mrr:.3f}, "
            f"answer contains the fact {self.contains:.3f}, right page {self.right_page:.3f}"
        )


@dataclass(frozen=True)
class _One:
    question: Question
    rank: int
    contains: bool


def evaluate(questions: Iterable[Question], ask: Ask) -> dict[str, Score]:
    """Ask each question; return the scores of all, and of each language and of tables."""
    asked = [_asked(question, ask(question.text)) for question in questions]
    groups = {"all": asked, "tables": [one for one in asked if one.question.table]}
    for language in sorted({one.question.language for one in asked}):
        groups[language] = [one for one in asked if one.question.language == language]
    return {name: _score(group) for name, group in groups.items() if group}


def _asked(question: Question, passages: list[Passage]) -> _One:
    ranks = [
        rank
        for rank, passage in enumerate(passages[:AT], 1)
        if question.document in passage.sources and passage.page == question.page
    ]
    quoted = " ".join(passage.text for passage in passages[:QUOTED])
    return _One(question, min(ranks, default=0), _holds(quoted, question.answer))


def _holds(text: str, value: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) is not None


def _score(group: list[_One]) -> Score:
    count = len(group)
    return Score(
        count,
        sum(one.rank > 0 for one in group) / count,
        sum(1 / one.rank for one in group if one.rank) / count,
        sum(one.contains for one in group) / count,
        sum(one.rank == 1 for one in group) / count,
    )
