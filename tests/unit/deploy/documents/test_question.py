"""Asking over the API: an answer as it comes, and plain words where there is none."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from common.errors import PipelineError, Refused, Unanswered
from deploy.documents.question import Api

PASSAGE = {"sources": ["a.pdf"], "page": 2, "heading": "Terms", "text": "30 days.", "score": 0.75}
END = {"end": True}


@dataclass
class Server:
    """Answers each request as it is told, and remembers what was asked."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    lines: list[Any] = field(default_factory=list)
    asked: list[tuple[str | None, Any]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.asked.append((self.headers["Authorization"], json.loads(body)))
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write("".join(f"{json.dumps(one)}\n" for one in told.lines).encode())

        def log_message(self, *_: Any) -> None:
            pass

    listening = HTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{listening.server_address[1]}"
    Thread(target=listening.serve_forever, daemon=True).start()
    yield told
    listening.shutdown()
    listening.server_close()


def test_an_answer_is_heard_as_it_comes_and_returned_with_its_passages(server: Server) -> None:
    server.lines = [
        {"kind": "openai", "passages": [PASSAGE]},
        {"answer": "Thirty "},
        {"answer": "days [1]."},
        END,
    ]
    heard: list[str] = []

    answer = Api(server.url, "secret").ask("When?", 3, heard.append)

    assert server.asked == [("Bearer secret", {"question": "When?", "passages": 3})]
    assert heard == ["Thirty ", "days [1]."]
    assert answer.as_dict() == {
        "question": "When?",
        "kind": "openai",
        "passages": ({**PASSAGE, "sources": ("a.pdf",)},),
        "text": "Thirty days [1].",
    }


def test_of_an_answer_that_only_quotes_the_first_sentence_is_heard(server: Server) -> None:
    server.lines = [
        {"kind": "extractive", "passages": [PASSAGE]},
        {"answer": "No language model is set up.\n"},
        {"answer": "[1] 30 days."},
        END,
    ]
    heard: list[str] = []

    answer = Api(server.url, "secret").ask("When?", heard=heard.append)

    assert heard == ["No language model is set up.\n"]
    assert answer.text == "No language model is set up.\n[1] 30 days."


def test_an_empty_index_is_said(server: Server) -> None:
    server.lines = [{"kind": "extractive", "passages": []}, {"answer": "none"}, END]

    with pytest.raises(Refused, match="no document is indexed yet"):
        Api(server.url, "secret").ask("When?")


@pytest.mark.parametrize(
    ("status", "headers", "error", "words", "hint"),
    [
        (401, {}, Refused, "refuses the token", "documents.deploy --force"),
        (503, {"Retry-After": "3600"}, PipelineError, "said so", "ask again in 60 min"),
        (503, {"Retry-After": "5"}, PipelineError, "said so", "ask again in 5 s"),
        (503, {}, PipelineError, "said so", "ask again in a while"),
        (400, {}, Refused, "said so", "documents.ask"),
        (500, {}, PipelineError, "said so", "documents.status"),
    ],
)
def test_why_there_is_no_answer_is_said(
    server: Server,
    status: int,
    headers: dict[str, str],
    error: type[PipelineError],
    words: str,
    hint: str,
) -> None:
    server.status, server.headers, server.lines = status, headers, [{"error": "said so"}]

    with pytest.raises(error, match=words) as caught:
        Api(server.url, "secret-token").ask("When?")

    assert hint in caught.value.hint
    assert "secret-token" not in str(caught.value)


def test_an_error_that_is_not_the_apis_is_named_by_its_status(server: Server) -> None:
    server.status, server.lines = 502, ["Bad Gateway"]

    with pytest.raises(PipelineError, match="the API answered 502"):
        Api(server.url, "secret").ask("When?")


def test_an_answer_that_breaks_off_is_no_answer(server: Server) -> None:
    server.lines = [{"kind": "openai", "passages": [PASSAGE]}, {"error": "OpenAI answered 429"}]
    with pytest.raises(PipelineError, match="broke off: OpenAI answered 429"):
        Api(server.url, "secret").ask("When?")

    server.lines = [{"kind": "openai", "passages": [PASSAGE]}, {"answer": "Thir"}]
    with pytest.raises(Unanswered, match="ended before the answer"):
        Api(server.url, "secret").ask("When?")


def test_an_api_that_is_not_there_is_said() -> None:
    with pytest.raises(Unanswered, match=r"127\.0\.0\.1:9 does not answer") as caught:
        Api("http://127.0.0.1:9", "secret").ask("When?")
    assert "documents.status" in caught.value.hint
