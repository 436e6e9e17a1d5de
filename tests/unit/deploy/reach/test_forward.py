"""A port that leads to whoever leads: before, during and after a failover."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from deploy.reach.forward import Forward, listen
from deploy.reach.plugin import NotReached

WAIT = 10.0


@contextmanager
def head(name: str) -> Iterator[int]:
    """A server that answers each message with its name before it; yields its port."""

    class Answers(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while piece := self.request.recv(1000):
                self.request.sendall(name.encode() + b":" + piece)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answers) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield int(server.server_address[1])
        server.shutdown()


class FakeRoad:
    """A road to the port that leads; None while no instance does."""

    def __init__(self, port: int | None) -> None:
        self.port = port

    def address(self, port: int) -> tuple[str, int]:
        """See deploy.reach.road.Road."""
        assert port == 8265
        if self.port is None:
            raise NotReached("no instance holds the head lease")
        return "127.0.0.1", self.port


@pytest.fixture
def road() -> FakeRoad:
    return FakeRoad(None)


@pytest.fixture
def forward(road: FakeRoad) -> Iterator[Forward]:
    made = Forward(listen(0), road, 8265)  # type: ignore[arg-type]
    yield made
    made.close()


def dialled(forward: Forward) -> socket.socket:
    return socket.create_connection(("127.0.0.1", forward.local_port), WAIT)


def asked(connection: Any) -> str:
    connection.sendall(b"who")
    return str(connection.recv(100).decode())


def test_each_connection_goes_to_who_leads_when_it_is_made(
    road: FakeRoad, forward: Forward
) -> None:
    with head("one") as one, head("other") as other:
        road.port = one
        with dialled(forward) as first:
            assert asked(first) == "one:who"
            road.port = other
            with dialled(forward) as second:
                assert asked(second) == "other:who"
                assert asked(first) == "one:who"


def test_a_connection_during_a_failover_is_held_until_a_head_leads(
    road: FakeRoad, forward: Forward
) -> None:
    with head("new") as new, dialled(forward) as connection:
        connection.sendall(b"early ")
        road.port = new

        assert connection.recv(100) == b"new:early "


def test_a_lost_head_closes_its_connections(road: FakeRoad, forward: Forward) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        road.port = int(server.getsockname()[1])
        with dialled(forward) as connection:
            far, _ = server.accept()
            far.close()

            assert connection.recv(100) == b""


def test_a_port_in_use_is_not_opened_twice(forward: Forward) -> None:
    with pytest.raises(OSError, match="in use"):
        listen(forward.local_port)


def test_a_closed_port_accepts_nothing(forward: Forward) -> None:
    port = forward.local_port
    forward.close()

    with pytest.raises(OSError):  # noqa: PT011 - refused, or reset
        socket.create_connection(("127.0.0.1", port), WAIT).recv(1)
