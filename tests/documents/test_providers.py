"""The paid providers, by their own clients, against servers that fail as they do."""

from collections.abc import Iterator
from typing import Any

import pytest

from common.errors import Refused
from documents.errors import Unavailable
from documents.providers.answers import ExtractiveAnswers, OpenAIAnswers
from documents.providers.interfaces import Passage, Stored
from documents.providers.openai_embeddings import OpenAIEmbeddings
from documents.providers.pinecone_index import PineconeIndex
from documents.settings import Settings, load_settings
from tests.documents.stand_ins import KEY, Failure, StandIn, serving

PASSAGE = Passage(("contract.pdf",), 2, "Terms", "The contract ends after thirty days.", 0.9)
FAILURES = [
    (Failure(429, {"Retry-After": "7"}), Unavailable, 7.0),
    (Failure(429), Unavailable, None),
    (Failure(500), Unavailable, None),
    (Failure(503), Unavailable, None),
    (Failure(hang=3), Unavailable, None),
    (Failure(401), Refused, None),
    (Failure(403), Refused, None),
    (Failure(400), Refused, None),
]


@pytest.fixture
def server() -> Iterator[StandIn]:
    with serving() as started:
        yield started


def settings(server: StandIn, key: str = KEY, **others: Any) -> Settings:
    names = ("region", "bucket", "queue_url", "control_table", "audit_table", "metrics_table")
    values = {
        **dict.fromkeys(names, "x"),
        "index": "pinecone",
        "pinecone_host": server.url,
        "openai_base_url": f"{server.url}/v1",
        "openai_dimension": 4,
        "openai_timeout": 1,
        **others,
    }
    variables = {f"DOCUMENTS_{name.upper()}": str(value) for name, value in values.items()}
    return load_settings({**variables, "OPENAI_API_KEY": key, "PINECONE_API_KEY": key})


def embedder(server: StandIn, key: str = KEY) -> OpenAIEmbeddings:
    return OpenAIEmbeddings(settings(server, key), words)


def words(text: str) -> list[tuple[int, int]]:
    """Take each word for a token, as the server does."""
    return [(0, 1)] * len(text.split())


def pinecone(server: StandIn, key: str = KEY) -> PineconeIndex:
    return PineconeIndex(settings(server, key), sleep=lambda seconds: None)


def a_vector(number: int, *values: float) -> tuple[Stored, list[float]]:
    return Stored("set", number, "a" * 64, 2, "Terms", f"text {number}"), list(values)


def test_openai_embeds_in_order_and_counts_what_it_charges(server: StandIn) -> None:
    embeddings = embedder(server)

    found = embeddings.embed(["one two", "three"])

    assert found == [[1, 0, 0, 0], [1, 0, 0, 0]]
    assert embeddings.count(["one two", "three"]) == server.tokens == 3
    path, body = server.requests[0]
    assert (path, body["dimensions"], body["model"]) == (
        "/v1/embeddings",
        4,
        "text-embedding-3-small",
    )


@pytest.mark.parametrize(("failure", "error", "retry_after"), FAILURES)
def test_openai_fails_once_with_the_time_that_it_asks_for(
    server: StandIn, failure: Failure, error: type[Exception], retry_after: float | None
) -> None:
    server.failures.append(failure)

    with pytest.raises(error) as caught:
        embedder(server).embed(["text"])

    assert getattr(caught.value, "retry_after", None) == retry_after
    assert server.failures == []
    assert embedder(server).embed(["text"]) == [[1, 0, 0, 0]]


def test_openai_without_quota_or_with_another_key_needs_a_person(server: StandIn) -> None:
    server.failures.append(Failure(429, code="insufficient_quota"))
    with pytest.raises(Refused, match="no quota left"):
        embedder(server).embed(["text"])
    with pytest.raises(Refused, match="refused the key") as caught:
        embedder(server, "sk-wrong").embed(["text"])
    assert "sk-wrong" not in str(caught.value)


def test_a_dimension_that_changed_is_refused_before_anything_is_written(server: StandIn) -> None:
    server.dimension = 8

    with pytest.raises(Refused, match="the index has 4"):
        embedder(server).embed(["text"])


def test_openai_answers_from_the_passages_piece_by_piece(server: StandIn) -> None:
    answers = OpenAIAnswers(settings(server), words)

    assert list(answers.answer("When does it end?", [PASSAGE])) == ["Thirty ", "days ", "[1]."]
    assert answers.asked("When does it end?", [PASSAGE]) == server.tokens
    asked = server.requests[0][1]["messages"][1]["content"]
    assert "[1] contract.pdf, page 2:\nThe contract ends after thirty days." in asked
    server.failures.append(Failure(429, {"Retry-After": "2"}))
    with pytest.raises(Unavailable):
        list(answers.answer("When?", [PASSAGE]))


def test_without_passages_no_model_is_asked(server: StandIn) -> None:
    answers = OpenAIAnswers(settings(server), words)

    assert "No passage" in "".join(answers.answer("When?", []))
    assert (answers.asked("When?", []), server.requests) == (0, [])


def test_an_extractive_answer_says_that_it_is_one_and_quotes() -> None:
    said = "".join(ExtractiveAnswers().answer("When?", [PASSAGE]))

    assert said.startswith("No language model is set up")
    assert "[1] The contract ends after thirty days." in said


def test_pinecone_finds_what_is_nearest_and_deletes(server: StandIn) -> None:
    index = pinecone(server)
    index.put([a_vector(0, 1, 0), a_vector(1, 0, 1)])

    found = index.search([0.9, 0.1], 1)

    assert [(one.stored, one.score) for one in found] == [(a_vector(0)[0], 0.9)]
    index.delete(["set#0", "set#7"])
    assert [one.stored.number for one in index.search([0.9, 0.1], 5)] == [1]


def test_pinecone_is_waited_for_until_it_shows_what_was_written(server: StandIn) -> None:
    index = pinecone(server)
    index.put([a_vector(0, 1, 0)])
    server.hidden_for = 3

    index.settle(["set#0"])

    assert [path for path, _ in server.requests].count("/vectors/fetch") == 4


def test_pinecone_takes_many_vectors_in_batches(server: StandIn) -> None:
    pinecone(server).put([a_vector(number, 1, 0) for number in range(450)])

    assert [len(body["vectors"]) for _, body in server.requests] == [200, 200, 50]


@pytest.mark.parametrize(
    ("failure", "times", "error", "retry_after"),
    [
        (Failure(429, {"Retry-After": "1"}), 4, Unavailable, 1.0),
        (Failure(503), 4, Unavailable, None),
        (Failure(401), 1, Refused, None),
        (Failure(403), 1, Refused, None),
        (Failure(400), 1, Refused, None),
    ],
)
def test_pinecone_fails_after_its_clients_own_attempts(
    server: StandIn,
    failure: Failure,
    times: int,
    error: type[Exception],
    retry_after: float | None,
) -> None:
    server.failures += [failure] * times

    with pytest.raises(error) as caught:
        pinecone(server).put([a_vector(0, 1, 0)])

    assert getattr(caught.value, "retry_after", None) == retry_after
    assert server.failures == []
