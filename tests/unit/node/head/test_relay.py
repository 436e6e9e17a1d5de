"""Connections that reach a standby end at the leader: systemd-socket-proxyd on loopback."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.contract import RAY_PORTS
from node.head.relay import RETRY_SECONDS, SocketProxies
from node.ray.processes import descendants
from tests.unit.node.fakes import FakeClock, RecordedLog

STANDBY, LEADER, NEXT = "127.31.0.2", "127.31.0.3", "127.31.0.4"


class Host:
    """Answers every connection to Ray's ports with its own address, and keeps it open."""

    def __init__(self, address: str) -> None:
        self._kept: list[socket.socket] = []
        self._listeners = [socket.create_server((address, port)) for port in RAY_PORTS]
        for listener in self._listeners:
            threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def close(self) -> None:
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
        for opened in (*self._listeners, *self._kept):
            opened.close()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._kept.append(connection)
            connection.sendall(listener.getsockname()[0].encode())


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def log() -> RecordedLog:
    return RecordedLog()


@pytest.fixture
def relay(clock: FakeClock, log: RecordedLog) -> Iterator[SocketProxies]:
    made = SocketProxies(STANDBY, clock=clock, log=log)
    yield made
    made.close()


@pytest.fixture
def leader() -> Iterator[Host]:
    host = Host(LEADER)
    yield host
    host.close()


def connected(port: int = RAY_PORTS[0]) -> socket.socket:
    return socket.create_connection((STANDBY, port), 5.0)


def met(port: int = RAY_PORTS[0]) -> str:
    """Return the address where a connection to the standby ends; empty when it is closed."""
    with connected(port) as connection:
        try:
            return connection.recv(100).decode()
        except ConnectionResetError:
            return ""


def gone(process: int) -> bool:
    """Wait for a child of this process to end; say whether it did in time."""
    deadline = time.monotonic() + 60.0
    while process in descendants() and time.monotonic() < deadline:
        time.sleep(0.01)
    return process not in descendants()


@pytest.mark.usefixtures("leader")
def test_every_ray_port_is_relayed_to_the_leader(relay: SocketProxies) -> None:
    relay.follow(LEADER)

    assert relay.is_open
    assert {met(port) for port in RAY_PORTS} == {LEADER}


@pytest.mark.usefixtures("leader")
def test_a_closed_relay_leaves_rays_ports_free(relay: SocketProxies) -> None:
    relay.follow(LEADER)
    with connected() as connection:
        assert connection.recv(100)
        relay.close()

        assert connection.recv(100) == b""
        assert not relay.is_open
        assert not descendants()
        # As a server that reuses addresses does, while old connections linger.
        Host(STANDBY).close()


@pytest.mark.usefixtures("leader")
def test_another_leader_is_followed_at_once(relay: SocketProxies) -> None:
    relay.follow(LEADER)
    following = Host(NEXT)

    relay.follow(NEXT)

    assert met() == NEXT
    following.close()


@pytest.mark.usefixtures("leader")
def test_following_the_same_leader_again_changes_nothing(relay: SocketProxies) -> None:
    relay.follow(LEADER)
    before = descendants()

    relay.follow(LEADER)

    assert len(before) == len(RAY_PORTS)
    assert descendants() == before


def test_a_connection_ends_while_the_leaders_ray_does_not_listen(relay: SocketProxies) -> None:
    relay.follow(LEADER)

    assert met() == ""


@pytest.mark.usefixtures("leader")
def test_a_proxy_that_died_is_replaced_after_a_while(
    relay: SocketProxies, clock: FakeClock
) -> None:
    relay.follow(LEADER)
    victim = min(descendants())
    os.kill(victim, signal.SIGKILL)
    assert gone(victim)

    clock.advance(RETRY_SECONDS)
    relay.follow(LEADER)

    assert {met(port) for port in RAY_PORTS} == {LEADER}


def test_no_port_opens_while_one_is_in_use(
    relay: SocketProxies, clock: FakeClock, log: RecordedLog, leader: Host
) -> None:
    taken = socket.create_server((STANDBY, RAY_PORTS[-1]))
    relay.follow(LEADER)
    assert not relay.is_open
    assert not descendants()
    taken.close()

    relay.follow(LEADER)
    assert not relay.is_open
    clock.advance(RETRY_SECONDS)
    relay.follow(LEADER)

    assert relay.is_open
    assert log.events == ["relay not open", "relay open"]


def test_a_missing_proxy_program_is_retried_only_every_few_seconds(
    clock: FakeClock, log: RecordedLog, tmp_path: Path
) -> None:
    relay = SocketProxies(STANDBY, clock=clock, log=log, program=str(tmp_path / "missing"))
    relay.follow(LEADER)
    assert all(gone(process) for process in descendants())

    for _ in range(10):
        relay.follow(LEADER)

    assert len(log.events) == 1
    relay.close()


def test_the_host_is_reached_where_its_guard_answers(
    relay: SocketProxies, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay.follow(LEADER)
    assert not relay.reaches()

    with socket.create_server((LEADER, 0)) as guard:
        monkeypatch.setattr("node.head.relay.GUARD_PORT", guard.getsockname()[1])

        assert relay.reaches()
