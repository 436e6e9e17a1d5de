"""The endpoint's connections: one is for many requests, as AWS's are."""

import ssl
import threading
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from localcloud.api import ApiServer, Handler
from localcloud.certificates import certificates
from localcloud.world import World

IDENTITY = "Action=GetCallerIdentity&Version=2011-06-15"
FORM = {"Host": "sts.us-east-1.amazonaws.com", "Content-Type": "application/x-www-form-urlencoded"}
BUCKET = {"Host": "made.s3.us-east-1.amazonaws.com"}


@pytest.fixture
def connection(world: World, tmp_path: Path) -> Iterator[HTTPSConnection]:
    found = certificates(tmp_path)
    server = ApiServer(world, "127.0.0.1", found.server, found.server_key, port=0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    unchecked = ssl._create_unverified_context()  # noqa: S323 - its names are AWS's
    made = HTTPSConnection("127.0.0.1", server.server_port, timeout=10, context=unchecked)
    yield made
    made.close()
    server.shutdown()
    server.server_close()


def ask(connection: HTTPSConnection, method: str, body: str, headers: dict[str, str]) -> int:
    connection.request(method, "/", body, headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.will_close is False
    return answer.status


def test_a_connection_stays_open_for_the_next_request(connection: HTTPSConnection) -> None:
    connection.connect()
    first = connection.sock

    statuses = [
        ask(connection, "POST", IDENTITY, FORM),
        ask(connection, "HEAD", "", BUCKET),
        ask(connection, "PUT", "", BUCKET),
        ask(connection, "HEAD", "", BUCKET),
        ask(connection, "DELETE", "", BUCKET),
        ask(connection, "POST", IDENTITY, FORM),
    ]

    assert statuses == [200, 404, 200, 200, 204, 200]
    assert connection.sock is first


def test_a_client_that_waits_for_leave_to_send_gets_it(connection: HTTPSConnection) -> None:
    """S3's clients do, with a large object: RFC 9110, 10.1.1."""
    connection.putrequest("POST", "/", skip_host=True)
    waiting = {"Expect": "100-continue", "Content-Length": str(len(IDENTITY))}
    for name, value in (FORM | waiting).items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.sock.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"

    connection.send(IDENTITY.encode())

    assert connection.getresponse().status == 200


def test_one_that_asks_nothing_more_is_closed(
    connection: HTTPSConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "timeout", 0.2)
    assert ask(connection, "POST", IDENTITY, FORM) == 200

    assert connection.sock.recv(1) == b""
