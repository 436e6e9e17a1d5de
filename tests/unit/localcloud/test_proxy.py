"""The data plane: a real HAProxy on loopback, real connections, targets that name themselves."""

import os
import random
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from common.waiting import Seen, SystemClock, wait_for
from localcloud.patches.elbv2.forwarding import DRAIN, OUT, READY, ForwardingPlan, Frontend, Server
from localcloud.proxy import SLOTS, Proxy, Slots

pytestmark = pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")


class Target:
    """A server that answers each connection with its name, and then echoes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def as_server(self, state: str = READY) -> Server:
        return Server(self.name, "127.0.0.1", self.port, state)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        with connection:
            connection.sendall(self.name.encode())
            while data := connection.recv(100):
                connection.sendall(data)


class Client:
    """One connection through the proxy."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=3)

    def read(self) -> str:
        """Return what arrived; nothing means that the connection was closed."""
        try:
            return self._socket.recv(100).decode()
        except ConnectionResetError:
            return ""

    def echo(self, text: str) -> str:
        try:
            self._socket.sendall(text.encode())
        except OSError:
            return ""
        return self.read()


def free_port() -> int:
    """Return a port below the kernel's own range, so that no other process gets it in between."""
    while True:
        port = random.randrange(10_000, 32_000)  # noqa: S311 - no secret
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def a_frontend(*servers: Server, port: int, closes: bool = True) -> Frontend:
    return Frontend("127.0.0.1", port, 350, closes, closes, servers)


def a_plan(*frontends: Frontend) -> ForwardingPlan:
    return ForwardingPlan("0123456789abcdef", ("127.0.0.1",), frontends)


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    proxy = Proxy(tmp_path, "nlb")
    yield proxy
    proxy.stop()


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def first() -> Target:
    return Target("first")


@pytest.fixture
def second() -> Target:
    return Target("second")


@pytest.fixture
def follow(proxy: Proxy, port: int) -> Callable[..., None]:
    """Follow a plan of one listener with these servers."""
    return lambda *servers, closes=True: proxy.follow(
        a_plan(a_frontend(*servers, port=port, closes=closes))
    )


def answers(port: int) -> str:
    return Client(port).read()


def test_a_connection_reaches_the_ready_target(
    follow: Callable[..., None], port: int, first: Target, second: Target
) -> None:
    follow(first.as_server(), second.as_server(OUT))

    assert [answers(port) for _ in range(4)] == ["first"] * 4


def test_new_connections_follow_health_without_a_restart(
    proxy: Proxy, follow: Callable[..., None], port: int, first: Target, second: Target
) -> None:
    follow(first.as_server(), second.as_server(OUT))
    before = proxy.ask("show info")

    follow(first.as_server(OUT), second.as_server())

    assert [answers(port) for _ in range(4)] == ["second"] * 4
    assert _pid(proxy.ask("show info")) == _pid(before)


def test_connections_of_a_target_that_becomes_unhealthy_are_closed(
    follow: Callable[..., None], port: int, first: Target
) -> None:
    follow(first.as_server())
    client = Client(port)
    assert client.read() == "first"

    follow(first.as_server(OUT))

    assert client.read() == ""


def test_they_are_kept_where_the_target_group_says_so(
    follow: Callable[..., None], port: int, first: Target
) -> None:
    follow(first.as_server(), closes=False)
    client = Client(port)
    assert client.read() == "first"

    follow(first.as_server(OUT), closes=False)

    assert client.echo("still here") == "still here"


def test_a_draining_target_keeps_its_connections_and_gets_no_new_ones(
    follow: Callable[..., None], port: int, first: Target, second: Target
) -> None:
    follow(first.as_server())
    client = Client(port)
    assert client.read() == "first"

    follow(first.as_server(DRAIN), second.as_server())

    assert client.echo("still here") == "still here"
    assert [answers(port) for _ in range(4)] == ["second"] * 4


def test_with_no_ready_target_a_connection_is_closed_at_once(
    follow: Callable[..., None], port: int, first: Target
) -> None:
    follow(first.as_server(OUT))

    assert answers(port) == ""


def test_a_target_that_is_deregistered_loses_its_connections(
    follow: Callable[..., None], port: int, first: Target, second: Target
) -> None:
    follow(first.as_server(), second.as_server(OUT))
    client = Client(port)
    assert client.read() == "first"

    follow(second.as_server())

    assert client.read() == ""
    assert answers(port) == "second"


def test_slots_are_reused_when_targets_change(
    follow: Callable[..., None], port: int, first: Target
) -> None:
    for number in range(SLOTS + 5):
        follow(replace(first.as_server(), name=f"i-{number}"))

    assert answers(port) == "first"


def test_a_new_listener_keeps_open_connections(
    proxy: Proxy, port: int, first: Target, second: Target
) -> None:
    one = a_frontend(first.as_server(), port=port)
    proxy.follow(a_plan(one))
    client = Client(port)
    assert client.read() == "first"
    another = free_port()

    proxy.follow(a_plan(one, a_frontend(second.as_server(), port=another)))

    assert client.echo("still here") == "still here"
    assert (answers(port), answers(another)) == ("first", "second")


def test_a_proxy_that_died_is_restarted(
    proxy: Proxy, follow: Callable[..., None], port: int, first: Target
) -> None:
    follow(first.as_server())
    worker = _pid(proxy.ask("show info"))
    os.kill(_parent(worker), signal.SIGKILL)
    wait_for(
        "its end",
        lambda: Seen(not proxy.runs or None, "runs"),
        clock=SystemClock(),
        seconds=5,
        every=0.02,
    )

    follow(first.as_server())

    assert answers(port) == "first"


def test_after_a_partial_failure_the_next_plan_is_applied_in_full(
    proxy: Proxy,
    follow: Callable[..., None],
    port: int,
    first: Target,
    second: Target,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    follow(first.as_server())
    with monkeypatch.context() as broken:
        broken.setattr(proxy, "ask", lambda command: "No such server.")
        with pytest.raises(OSError, match="No such server"):
            follow(second.as_server())

    follow(second.as_server())

    assert [answers(port) for _ in range(4)] == ["second"] * 4


def test_without_listeners_nothing_runs(proxy: Proxy) -> None:
    proxy.follow(a_plan())

    assert proxy.settled
    assert not proxy.runs


def test_nothing_is_left_when_it_stops(
    tmp_path: Path, proxy: Proxy, follow: Callable[..., None], first: Target
) -> None:
    follow(first.as_server())
    worker = _pid(proxy.ask("show info"))

    proxy.stop()

    assert list(tmp_path.iterdir()) == []
    wait_for(
        "its worker's end",
        lambda: Seen(not Path(f"/proc/{worker}").exists() or None, "runs"),
        clock=SystemClock(),
        seconds=5,
        every=0.02,
    )


def test_more_targets_than_slots_are_refused() -> None:
    slots = Slots()
    for number in range(SLOTS):
        slots.take(f"i-{number}")

    with pytest.raises(IndexError, match="more than 32 targets"):
        slots.take("i-one-more")


def _parent(pid: int) -> int:
    """The field after the state, which follows the name in brackets (proc(5))."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def _pid(info: str) -> int:
    line = next(line for line in info.splitlines() if line.startswith("Pid: "))
    return int(line.removeprefix("Pid: "))
