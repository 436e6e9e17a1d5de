"""The web API without Ray: who may ask, what is taken in, and what goes wrong half-way."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from common.clients import Clients
from documents.access import access
from documents.answering import Answerer
from documents.errors import OverBudget, Unavailable
from documents.providers.answers import ExtractiveAnswers
from documents.providers.interfaces import Passage
from documents.settings import load_settings
from documents.web.app import Api, make_app
from tests.documents.cloud import TOKEN, PipelineCloud, cloud

FOUND = Passage(("contract.pdf",), 2, "Terms", "Thirty days.", 0.75)


class FixedAnswerer(Answerer):
    """Finds one passage, unless it is to fail."""

    def __init__(self) -> None:
        self.answers = ExtractiveAnswers()
        self.fails: Exception | None = None
        self.breaks: Exception | None = None

    def passages(self, question: str, count: int) -> list[Passage]:
        if self.fails:
            raise self.fails
        return [FOUND] * min(count, 1)

    def answer(self, question: str, passages: Sequence[Passage]) -> Iterator[str]:
        yield "first piece"
        if self.breaks:
            raise self.breaks


@pytest.fixture(scope="module")
def aws(model: Path) -> Iterator[PipelineCloud]:
    with cloud(model, max_bytes=20 * 2**20) as found, pytest.MonkeyPatch.context() as patch:
        for name, value in found.variables.items():
            patch.setitem(os.environ, name, value)
        yield found


@pytest.fixture
def answerer() -> FixedAnswerer:
    return FixedAnswerer()


@pytest.fixture(scope="module")
def clients(aws: PipelineCloud) -> Clients:
    return Clients("us-east-1")


@pytest.fixture
def web(clients: Clients, answerer: FixedAnswerer) -> TestClient:
    settings = load_settings()
    api = Api(settings, access(settings, clients), answerer, clients("s3"))
    client = TestClient(make_app(api))
    client.headers["Authorization"] = f"Bearer {TOKEN}"
    return client


def ask(web: TestClient, **body: Any) -> list[dict[str, Any]]:
    answer = web.post("/ask", json={"question": "When?", **body})
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.text.splitlines()]


def test_an_answer_has_its_sources_first_and_says_when_it_ends(web: TestClient) -> None:
    assert ask(web) == [
        {
            "kind": "extractive",
            "passages": [
                {
                    "sources": ["contract.pdf"],
                    "page": 2,
                    "heading": "Terms",
                    "text": "Thirty days.",
                    "score": 0.75,
                }
            ],
        },
        {"answer": "first piece"},
        {"end": True},
    ]


def test_what_fails_half_way_is_said_and_ends_the_answer(
    web: TestClient, answerer: FixedAnswerer
) -> None:
    answerer.breaks = Unavailable("OpenAI answered 429")

    assert ask(web)[1:] == [
        {"answer": "first piece"},
        {"error": "OpenAI answered 429"},
        {"end": True},
    ]


def test_what_fails_before_says_when_to_come_back(web: TestClient, answerer: FixedAnswerer) -> None:
    answerer.fails = OverBudget("the budget is used up", retry_after=3600.2)

    answer = web.post("/ask", json={"question": "When?"})

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3600")
    assert answer.json() == {"error": "the budget is used up"}


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"{}", b'"When?"', b'{"question": " "}'),
        b'{"question": "?", "passages": 21}',
        json.dumps({"question": "x" * 2001}).encode(),
    ],
)
def test_what_is_no_question_is_refused(web: TestClient, body: bytes) -> None:
    assert web.post("/ask", content=body).status_code == 400


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", "/ask"), ("GET", "/status"), ("GET", "/documents")),
        *(("PUT", "/documents/a.txt"), ("GET", "/history/a.txt")),
    ],
)
def test_only_the_right_token_opens_anything(
    web: TestClient, aws: PipelineCloud, method: str, path: str, header: str
) -> None:
    answer = web.request(method, path, headers={"Authorization": header}, content=b"x")

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert TOKEN not in answer.text


def test_who_did_what_to_a_document_is_told(web: TestClient, clients: Clients) -> None:
    audit = access(load_settings(), clients).audit
    audit.add("object/bucket/input/plans/a b.txt", "AWS:ada", "ObjectCreated:Put", version="v1")
    audit.add("object/bucket/input/plans/a b.txt", "consumer-1", "DONE", words="indexed 1 pages")
    audit.add("object/bucket/input/other.txt", "AWS:bob", "ObjectCreated:Put")

    entries = web.get("/history/plans/a%20b.txt").json()["entries"]

    assert [(one["who"], one["what"], one["details"]) for one in entries] == [
        ("AWS:ada", "ObjectCreated:Put", "v1"),
        ("consumer-1", "DONE", "indexed 1 pages"),
    ]
    assert all("#" not in one["at"] for one in entries)
    assert web.get("/history/unknown.txt").json() == {"entries": []}


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css", "/healthz"])
def test_the_page_and_the_health_check_need_no_token(web: TestClient, path: str) -> None:
    del web.headers["Authorization"]

    assert web.get(path).status_code == 200


def test_the_page_loads_nothing_from_others(web: TestClient) -> None:
    page = web.get("/")

    assert page.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert "http" not in page.text.replace("http-equiv", "")
    assert "<style" not in page.text
    assert " on" + "click" not in page.text


@pytest.mark.parametrize("size", [0, 10, 8 * 2**20, 19 * 2**20])
def test_an_upload_is_stored_as_it_is(web: TestClient, aws: PipelineCloud, size: int) -> None:
    content = os.urandom(size)

    answer = web.put("/documents/folder/a b.txt", content=content)

    assert (answer.status_code, answer.json()) == (201, {"name": "folder/a b.txt", "size": size})
    stored = aws.client("s3").get_object(Bucket="bucket", Key="input/folder/a b.txt")
    assert stored["Body"].read() == content


def test_an_upload_that_is_too_big_leaves_nothing(web: TestClient, aws: PipelineCloud) -> None:
    answer = web.put("/documents/big.txt", content=bytes(20 * 2**20 + 1))

    s3 = aws.client("s3")
    assert answer.status_code == 413
    assert s3.list_objects_v2(Bucket="bucket", Prefix="input/big")["KeyCount"] == 0
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="bucket")


@pytest.mark.parametrize(
    ("name", "status"),
    [("a.exe", 415), ("%2e%2e/a.txt", 400), ("a//b.txt", 400), ("x" * 1020 + ".txt", 400)],
)
def test_a_name_that_is_none_is_refused(web: TestClient, name: str, status: int) -> None:
    assert web.put(f"/documents/{name}", content=b"x").status_code == status
