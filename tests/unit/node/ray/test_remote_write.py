"""The signer between Prometheus and a workspace."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import EndpointConnectionError

from node.ray.remote_write import LARGEST, Answer, Outcomes, Workspace, handler, region_of

PATH = "/workspaces/ws-1a/api/v1/remote_write"
URL = f"https://aps-workspaces.eu-central-1.amazonaws.com{PATH}"
SENT = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}


class Session:
    """Answers as told, and keeps what was sent."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.sent: list[Any] = []

    def send(self, request: Any) -> Any:
        self.sent.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def says(status: int, text: str = "", **headers: str) -> Any:
    return SimpleNamespace(status_code=status, text=text, headers=headers)


def a_workspace(*answers: Any, credentials: Any = None) -> tuple[Workspace, Session]:
    session = Session(*answers)
    known = credentials or Credentials("AKID", "secret", "the token")
    return Workspace(URL, credentials=known, session=session), session


def test_a_request_is_signed_for_the_workspaces_region_and_service() -> None:
    workspace, session = a_workspace(says(200))

    assert workspace.send(SENT, b"samples") == Answer(200, "")
    (request,) = session.sent
    scope = request.headers["Authorization"].split(", ")[0].split("/")
    assert (request.method, request.url, request.body) == ("POST", URL, b"samples")
    assert scope[0] == "AWS4-HMAC-SHA256 Credential=AKID"
    assert scope[2:] == ["eu-central-1", "aps", "aws4_request"]
    assert request.headers["X-Amz-Security-Token"] == "the token"
    assert request.headers["Content-Encoding"] == "snappy"


def test_a_region_is_that_of_the_workspace() -> None:
    assert region_of(URL) == "eu-central-1"


def test_what_aws_throttles_comes_back_with_its_time() -> None:
    workspace, _ = a_workspace(says(429, "ingestion rate limit", **{"Retry-After": "7"}))

    assert workspace.send(SENT, b"") == Answer(429, "ingestion rate limit", "7")


def test_without_a_connection_prometheus_is_told_to_try_again() -> None:
    workspace, _ = a_workspace(EndpointConnectionError(endpoint_url=URL))

    answer = workspace.send(SENT, b"")

    assert answer.status == 503
    assert "Could not connect" in answer.words


def test_without_fresh_credentials_nothing_is_sent() -> None:
    class Expired:
        def get_frozen_credentials(self) -> Any:
            raise RuntimeError("the refreshed credentials are still expired")

    workspace, session = a_workspace(credentials=Expired())

    assert workspace.send(SENT, b"").status == 503
    assert session.sent == []


def test_of_aws_words_the_first_line_is_kept_and_no_token() -> None:
    workspace, _ = a_workspace(says(403, "no match\n\nx-amz-security-token:the token"))

    assert workspace.send(SENT, b"") == Answer(403, "no match")


def test_a_failure_is_said_once_a_minute_and_its_end_once() -> None:
    said: list[tuple[Any, ...]] = []
    now = [0.0]

    def log(event: str, **fields: Any) -> None:
        said.append((now[0], event, fields.get("status"), fields["failed"]))

    outcomes = Outcomes(log, lambda: now[0])
    answers = ((0, 200), (1, 403), (30, 403), (61, 503), (62, 503), (70, 200), (71, 200), (72, 400))
    for now[0], status in answers:
        outcomes.note(Answer(status, "words"))

    assert said == [
        (1, "metrics are not sent", 403, 1),
        (61, "metrics are not sent", 503, 3),
        (70, "metrics are sent again", None, 4),
        (72, "metrics are not sent", 400, 1),
    ]


@contextmanager
def serving(answer: Answer, received: list[bytes], noted: list[Answer]) -> Iterator[int]:
    def send(headers: Any, body: bytes) -> Answer:
        assert headers == SENT
        received.append(body)
        return answer

    outcomes = SimpleNamespace(note=noted.append)
    with HTTPServer(("127.0.0.1", 0), handler(PATH, send, outcomes)) as server:  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("method", "path", "length", "status"),
    [
        ("POST", PATH, "2", 429),
        ("POST", "/api/v1/query", "2", 404),
        ("GET", PATH, "0", 501),
        ("POST", PATH, str(LARGEST + 1), 413),
        ("POST", PATH, "-1", 413),
    ],
)
def test_only_writes_to_the_workspace_are_passed_on_with_its_answer(
    method: str, path: str, length: str, status: int
) -> None:
    received: list[bytes] = []
    noted: list[Answer] = []
    with serving(Answer(429, "slower", "7"), received, noted) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.putrequest(method, path)
        connection.putheader("Content-Length", length)
        for name, value in (SENT | {"Cookie": "no"}).items():
            connection.putheader(name, value)
        connection.endheaders(b"ok" if length == "2" else None)
        answer = connection.getresponse()
        text, after = answer.read(), answer.getheader("Retry-After")
        connection.close()

    assert answer.status == status
    if status == 429:
        assert (text, after, received, noted) == (
            b"slower",
            "7",
            [b"ok"],
            [Answer(429, "slower", "7")],
        )
    else:
        assert (received, noted) == ([], [])
