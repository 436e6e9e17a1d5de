"""What `invoke connect` prints, when it says that the leader answers, and the token's file."""

import stat
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from common.clients import Clients
from common.errors import Refused
from deploy.operate import connection as module
from deploy.operate.connection import Connection, Ports, token_file
from deploy.reach.plugin import NotReached
from tests.unit.deploy.builders import an_environment
from tests.unit.localcloud.fakes import FakeClock


class Dashboard(BaseHTTPRequestHandler):
    """Answers everything with 200."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


class FakeRoad:
    """A road to a dashboard of this machine, while ``led_by`` is not empty."""

    words = "through Session Manager"

    def __init__(self, port: int) -> None:
        self.port, self.led_by, self.closed = port, "", False
        self.problem = ""

    def check(self, port: int) -> None:
        if self.problem:
            raise NotReached(self.problem)

    def address(self, port: int) -> tuple[str, int]:
        if not self.led_by:
            raise NotReached("no instance holds the head lease")
        return "127.0.0.1", self.port

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def road(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRoad]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Dashboard) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        made = FakeRoad(server.server_address[1])
        monkeypatch.setattr(module, "open_road", lambda clients, environment: made)
        yield made
        server.shutdown()


@pytest.fixture
def connection(road: FakeRoad) -> Iterator[Connection]:
    with Connection(Clients("us-east-1"), an_environment(), Ports.listening(0, 0)) as made:
        yield made


def watched(
    connection: Connection, clock: FakeClock, events: dict[int, Callable[[], object]]
) -> list[str]:
    """Watch, and do what is due after so many seconds; return what was said."""
    said: list[str] = []
    begun = clock.now()

    def tick() -> None:
        if event := events.pop(round(clock.now() - begun), None):
            event()

    def stop() -> None:
        raise KeyboardInterrupt

    events[max(events) + 3] = stop
    clock.listeners.append(tick)
    with pytest.raises(KeyboardInterrupt):
        connection.watch(clock, said.append)
    return said


def test_a_failover_is_told_with_its_gap(
    connection: Connection, road: FakeRoad, clock: FakeClock
) -> None:
    road.led_by = "i-1"

    said = watched(
        connection,
        clock,
        {10: lambda: setattr(road, "led_by", ""), 24: lambda: setattr(road, "led_by", "i-2")},
    )

    assert said == [
        "connecting",
        "connected to i-1 through Session Manager after 0.0 s",
        "no instance holds the head lease",
        "connected to i-2 through Session Manager after 15.0 s",
    ]


def test_without_any_road_it_ends_at_once(
    connection: Connection, road: FakeRoad, clock: FakeClock
) -> None:
    road.problem = "`session-manager-plugin` is not installed"

    with pytest.raises(NotReached, match="is not installed"):
        connection.watch(clock, lambda words: None)


def test_three_lines_set_rays_own_variables(road: FakeRoad) -> None:
    ports = Ports.listening(0, 0)
    dashboard, client = (one.getsockname()[1] for one in (ports.dashboard, ports.client))
    with Connection(Clients("us-east-1"), an_environment(), ports) as connection:
        lines = connection.lines(Path("/a b/token"))

    assert lines == (
        "export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH='/a b/token'",
        f"export RAY_API_SERVER_ADDRESS=http://127.0.0.1:{dashboard}",
        f"export RAY_ADDRESS=ray://127.0.0.1:{client}",
    )
    assert road.closed


def test_a_port_that_is_taken_is_refused_with_the_option_for_another() -> None:
    taken = Ports.listening(0, 0)
    port = taken.dashboard.getsockname()[1]

    with pytest.raises(Refused, match=f"port {port} of this machine") as raised:
        Ports.listening(port, 0)

    assert "--dashboard" in raised.value.hint
    for one in (taken.dashboard, taken.client):
        one.close()


def test_the_token_is_readable_by_its_owner_only_and_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "cluster_token", lambda clients, environment: "secret")

    with token_file(Clients("us-east-1"), an_environment(), tmp_path) as path:
        assert path.read_text() == "secret"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    assert not path.exists()
