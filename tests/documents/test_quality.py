"""How good answers are, and the floor below which they may not fall."""

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from common.clients import Clients
from documents.access import access
from documents.answering import Answerer
from documents.providers.answers import ExtractiveAnswers
from documents.quality.evaluate import Score, evaluate
from documents.quality.facts import Made, make_documents
from documents.settings import load_settings
from documents.work import make_work
from documents.worker import Worker
from tests.documents.cloud import cloud

DOCUMENTS = 60


@pytest.fixture(scope="module")
def made() -> list[Made]:
    return list(make_documents(DOCUMENTS))


@pytest.fixture(scope="module")
def scores(model: Path, made: list[Made]) -> Iterator[dict[str, Score]]:
    """The scores of all questions, once all documents are indexed."""
    with cloud(model) as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.variables.items():
            patch.setitem(os.environ, name, value)
        settings = load_settings()
        clients = Clients(settings.region)
        work, found = make_work(settings, clients, "worker"), access(settings, clients)
        for one in made:
            aws.put(one.name, one.content)
        worker = Worker(work, found.queue, lambda event, **fields: None)
        while worker.step(wait=0):
            pass
        work.parser.stop()
        aws.wait({one.name: "DONE" for one in made}, seconds=1)
        answerer = Answerer(
            settings, work.embeddings, work.index, work.sets, work.metrics, ExtractiveAnswers()
        )
        questions = chain.from_iterable(one.questions for one in made)
        found_scores = evaluate(questions, lambda text: answerer.passages(text, 5))
        for name, score in found_scores.items():
            print(f"{name}: {score}")
        yield found_scores


def test_the_same_seed_makes_the_same_documents(made: list[Made]) -> None:
    assert list(make_documents(DOCUMENTS)) == made
    assert list(make_documents(DOCUMENTS, seed=2)) != made


def test_there_are_several_hundred_questions_in_four_languages_and_some_about_tables(
    made: list[Made],
) -> None:
    questions = [question for one in made for question in one.questions]
    assert len(questions) > 300
    assert {one.language for one in questions} == {"en", "de", "fr", "es"}
    assert sum(one.table for one in questions) > 50


@pytest.mark.parametrize(
    ("group", "recall", "mrr", "contains", "right_page"),
    [
        ("all", 0.94, 0.82, 0.89, 0.74),
        ("en", 0.93, 0.79, 0.87, 0.71),
        ("tables", 0.89, 0.78, 0.85, 0.71),
    ],
)
def test_answers_are_at_least_this_good(
    scores: dict[str, Score],
    group: str,
    recall: float,
    mrr: float,
    contains: float,
    right_page: float,
) -> None:
    score = scores[group]
    assert score.recall >= recall
    assert score.mrr >= mrr
    assert score.contains >= contains
    assert score.right_page >= right_page
