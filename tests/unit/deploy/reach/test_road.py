"""The road to the leader: directly where that works, else by Session Manager and its plugin."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from common.clients import Clients
from common.errors import Unanswered
from deploy.reach.plugin import NotReached
from deploy.reach.road import Road, reach
from tests.unit.deploy.reach.plugins import install_plugin
from tests.unit.localcloud.fakes import FakeClock

Aws = Callable[[str], Any]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def instances(aws: Aws, clock: FakeClock) -> list[str]:
    """Two instances that are up."""
    ami = aws("ec2").register_image(Name="base", RootDeviceName="/dev/xvda", Architecture="x86_64")
    made = aws("ec2").run_instances(
        ImageId=ami["ImageId"], MinCount=2, MaxCount=2, InstanceType="t3.micro"
    )
    clock.advance(10)
    return [instance["InstanceId"] for instance in made["Instances"]]


class Led:
    """Who leads, and a road there whose name does not resolve."""

    def __init__(self, holder: str) -> None:
        self.holder = holder
        self.road = Road(Clients("us-east-1"), "ray-head.test.invalid", lambda: self.holder)

    def lead(self, instance_id: str) -> None:
        """Let another instance lead; the road looks it up once a second."""
        self.holder = instance_id
        self.road._looked = float("-inf")

    def answer(self) -> str:
        """Return which instance the plugin forwards to."""
        with socket.create_connection(self.road.address(8265), 5) as connection:
            return connection.recv(100).decode()


@pytest.fixture
def led(instances: list[str]) -> Iterator[Led]:
    made = Led(instances[0])
    yield made
    made.road.close()


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of this machine that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def active(aws: Aws) -> list[str]:
    found = aws("ssm").describe_sessions(State="Active")["Sessions"]
    return [session["Target"] for session in found]


def test_a_name_that_can_be_connected_to_is_used_directly(
    aws: Aws, tools: Path, listener: int
) -> None:
    road = Road(Clients("us-east-1"), "127.0.0.1", lambda: "i-1")

    assert road.words == ""
    assert road.address(listener) == ("127.0.0.1", listener)
    assert road.words == "directly"
    assert active(aws) == []


def test_any_other_name_is_reached_by_way_of_the_leader(
    aws: Aws, tools: Path, led: Led, instances: list[str]
) -> None:
    record = install_plugin(tools)

    assert led.answer() == instances[0]
    assert led.answer() == instances[0]

    assert led.road.words == "through Session Manager"
    assert active(aws) == [instances[0]]
    calls = [json.loads(line) for line in record.read_text().splitlines()]
    [[region, operation, request, response, arguments]] = calls
    assert (region, operation) == ("us-east-1", "StartSession")
    assert request["DocumentName"] == "AWS-StartPortForwardingSession"
    assert request["Parameters"] == {"portNumber": ["8265"]}
    assert response["StreamUrl"].startswith("wss://ssmmessages.us-east-1.amazonaws.com/")
    assert response["TokenValue"] not in arguments


def test_a_new_leader_gets_a_new_session(
    aws: Aws, tools: Path, led: Led, instances: list[str]
) -> None:
    install_plugin(tools)
    led.answer()

    led.lead(instances[1])

    assert led.answer() == instances[1]
    assert active(aws) == [instances[1]]


def test_a_session_that_has_ended_is_opened_again(tools: Path, led: Led) -> None:
    install_plugin(tools)
    led.answer()
    session = led.road._sessions[8265]
    session.process.kill()
    session.process.wait()

    assert led.answer() == led.holder


def test_closing_a_road_ends_its_session_and_its_plugin(aws: Aws, tools: Path, led: Led) -> None:
    install_plugin(tools)
    led.answer()
    process = led.road._sessions[8265].process

    led.road.close()

    assert process.poll() == 0
    assert active(aws) == []


def test_without_a_leader_there_is_no_road_yet(tools: Path, led: Led) -> None:
    install_plugin(tools)
    led.lead("")

    with pytest.raises(NotReached, match="no instance holds the head lease"):
        led.answer()


def test_an_instance_without_an_agent_is_not_reached_yet(
    tools: Path, led: Led, aws: Aws, clock: FakeClock
) -> None:
    install_plugin(tools)
    aws("ec2").stop_instances(InstanceIds=[led.holder])
    clock.advance(10)

    with pytest.raises(NotReached, match="is not connected to Systems Manager"):
        led.answer()


def test_without_the_plugin_the_error_says_where_to_get_it(tools: Path, led: Led) -> None:
    with pytest.raises(NotReached, match="`session-manager-plugin` is not installed") as raised:
        led.answer()

    assert "session-manager-working-with-install-plugin.html" in raised.value.hint


def test_a_plugin_that_aws_no_longer_supports_is_not_used(aws: Aws, tools: Path, led: Led) -> None:
    install_plugin(tools, version="1.2.707.0")

    with pytest.raises(NotReached, match=r"1\.2\.764\.0 or later is needed"):
        led.answer()

    assert active(aws) == []


def test_a_session_that_does_not_open_says_why_and_is_ended(
    aws: Aws, tools: Path, led: Led
) -> None:
    install_plugin(tools, fails="the handshake failed")

    with pytest.raises(NotReached, match="the handshake failed") as raised:
        led.answer()

    assert raised.value.hint.startswith("may you do ssmmessages:OpenDataChannel?")

    assert active(aws) == []


def test_a_refused_session_is_an_error_of_aws(
    tools: Path, led: Led, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plugin(tools)
    monkeypatch.setattr("deploy.reach.port_session.TO_INSTANCE", "AWS-Unknown")

    with pytest.raises(Unanswered, match="InvalidDocument"):
        led.answer()


def test_a_host_of_the_vpc_is_reached_by_way_of_an_instance(
    aws: Aws, tools: Path, instances: list[str]
) -> None:
    record = install_plugin(tools)
    clients = Clients("us-east-1")

    with reach(clients, "documents.test.invalid", 8000, lambda: instances[1]) as address:
        with socket.create_connection(address, 5) as connection:
            assert connection.recv(100).decode() == instances[1]
        assert active(aws) == [instances[1]]

    assert active(aws) == []
    request = json.loads(record.read_text())[2]
    assert request["DocumentName"] == "AWS-StartPortForwardingSessionToRemoteHost"
    assert request["Parameters"] == {"portNumber": ["8000"], "host": ["documents.test.invalid"]}


def test_a_host_that_can_be_connected_to_needs_no_session(listener: int, tools: Path) -> None:
    with reach(Clients("us-east-1"), "127.0.0.1", listener, lambda: "") as address:
        assert address == ("127.0.0.1", listener)


def test_a_host_is_not_reached_without_an_instance(tools: Path) -> None:
    with (
        pytest.raises(NotReached, match=r"documents\.test\.invalid is not reached from here"),
        reach(Clients("us-east-1"), "documents.test.invalid", 8000, lambda: ""),
    ):
        pass
