"""Session Manager's port forwarding: who gets a session, when it ends, and what passes through."""

import json
import os
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud.certificates import certificates
from localcloud.data_channels import DataChannels
from localcloud.patches import iam
from localcloud.world import World
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

Clients = Callable[[str], Any]
PORT = {"portNumber": ["8265"]}
INSTANCE = "AWS-StartPortForwardingSession"
HOST = "AWS-StartPortForwardingSessionToRemoteHost"


@pytest.fixture
def instance(aws: Clients, clock: FakeClock) -> str:
    """An instance that is up."""
    ami = aws("ec2").register_image(Name="base", RootDeviceName="/dev/xvda", Architecture="x86_64")
    made = aws("ec2").run_instances(
        ImageId=ami["ImageId"], MinCount=1, MaxCount=1, InstanceType="t3.micro"
    )
    clock.advance(10)
    return str(made["Instances"][0]["InstanceId"])


def start(aws: Clients, target: str, document: str = INSTANCE, **parameters: str) -> dict[str, Any]:
    given = {name: [value] for name, value in parameters.items()} or PORT
    started = aws("ssm").start_session(Target=target, DocumentName=document, Parameters=given)
    return dict(started)


def sessions(aws: Clients, state: str) -> list[tuple[str, str]]:
    found = aws("ssm").describe_sessions(State=state)["Sessions"]
    return [(one["SessionId"], one["Status"]) for one in found]


def test_a_session_is_connected_until_it_is_terminated(aws: Clients, instance: str) -> None:
    session = start(aws, instance)["SessionId"]
    assert sessions(aws, "Active") == [(session, "Connected")]

    aws("ssm").terminate_session(SessionId=session)

    assert sessions(aws, "Active") == []
    assert sessions(aws, "History") == [(session, "Terminated")]


@pytest.mark.parametrize(
    ("document", "parameters", "code"),
    [
        ("SSM-SessionManagerRunShell", {}, "InvalidDocument"),
        (INSTANCE, {"host": "a", "portNumber": "1"}, "InvalidParameters"),
        (INSTANCE, {"portNumber": "ssh"}, "InvalidParameters"),
    ],
)
def test_what_no_document_offers_is_refused(
    aws: Clients, instance: str, document: str, parameters: dict[str, str], code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        start(aws, instance, document, **parameters)

    assert refused.value.response["Error"]["Code"] == code


def test_an_instance_that_is_not_up_is_not_connected(
    aws: Clients, instance: str, clock: FakeClock
) -> None:
    aws("ec2").stop_instances(InstanceIds=[instance])
    clock.advance(10)

    with pytest.raises(ClientError, match=f"{instance} is not connected") as refused:
        start(aws, instance)

    assert refused.value.response["Error"]["Code"] == "TargetNotConnected"


def test_an_idle_session_ends_after_twenty_minutes(
    aws: Clients, instance: str, clock: FakeClock
) -> None:
    session = start(aws, instance)["SessionId"]
    clock.advance(19 * 60, every=30)
    assert sessions(aws, "Active") == [(session, "Connected")]

    clock.advance(60)

    assert sessions(aws, "Active") == []


def test_the_session_of_a_lost_instance_ends_half_a_minute_later(
    aws: Clients, instance: str, clock: FakeClock, driver: FakeDriver
) -> None:
    session = start(aws, instance)["SessionId"]
    driver.crash(instance)
    clock.advance(29)
    assert sessions(aws, "Active") == [(session, "Connected")]

    clock.advance(2)

    assert sessions(aws, "Active") == []


def ann(statements: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Make a user that may do this and nothing else; return its keys as boto3 takes them."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": action, "Resource": resource}
            for action, resource in statements
        ],
    }
    return iam.make_user("ann", policy)


@contextmanager
def allowed(aws: Clients, *statements: tuple[str, str]) -> Iterator[Any]:
    """Yield an SSM client of a user that may do this and nothing else."""
    keys = ann(statements)
    with iam.enforced():
        yield boto3.session.Session(region_name="us-east-1", **keys).client("ssm")


@contextmanager
def acting_as_ann(*statements: tuple[str, str]) -> Iterator[None]:
    """Let processes have the keys of a user that may do this and nothing else."""
    keys = {name.upper(): value for name, value in ann(statements).items()}
    with pytest.MonkeyPatch.context() as patch, iam.enforced():
        patch.delenv("AWS_SESSION_TOKEN")
        for name, value in keys.items():
            patch.setenv(name, value)
        yield


def outcome(call: Callable[..., Any], **parameters: Any) -> str:
    try:
        call(**parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "allowed"


def test_a_session_needs_the_instance_and_the_document(aws: Clients, instance: str) -> None:
    other = "arn:aws:ec2:us-east-1:123456789012:instance/i-00000000000000000"
    own = f"arn:aws:ec2:us-east-1:123456789012:instance/{instance}"
    document = f"arn:aws:ssm:us-east-1::document/{INSTANCE}"
    asked = {"Target": instance, "DocumentName": INSTANCE, "Parameters": PORT}
    trials = {
        "both": [own, document],
        "another instance": [other, document],
        "no document": [own],
        "another document": [own, f"arn:aws:ssm:us-east-1::document/{HOST}"],
    }
    seen = {}
    for name, resources in trials.items():
        with allowed(aws, *(("ssm:StartSession", one) for one in resources)) as ssm:
            seen[name] = outcome(ssm.start_session, **asked)
        iam_client = aws("iam")
        for key in iam_client.list_access_keys(UserName="ann")["AccessKeyMetadata"]:
            iam_client.delete_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"])
        iam_client.delete_user_policy(UserName="ann", PolicyName="ann")
        iam_client.delete_user(UserName="ann")

    denied = "AccessDeniedException"
    assert seen == {
        "both": "allowed",
        "another instance": denied,
        "no document": denied,
        "another document": denied,
    }


def test_one_terminates_only_the_sessions_that_a_policy_names(aws: Clients, instance: str) -> None:
    session = start(aws, instance)["SessionId"]
    own = "arn:aws:ssm:*:*:session/ann-*"

    with allowed(aws, ("ssm:TerminateSession", own)) as ssm:
        assert outcome(ssm.terminate_session, SessionId="ann-0123456789abcdef0") == "allowed"
        assert outcome(ssm.terminate_session, SessionId=session) == "AccessDeniedException"

    assert sessions(aws, "Active") == [(session, "Connected")]


def test_one_terminates_the_sessions_that_one_started(aws: Clients, instance: str) -> None:
    other = start(aws, instance)["SessionId"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "ssm:StartSession", "Resource": "*"},
            {
                "Effect": "Allow",
                "Action": "ssm:TerminateSession",
                "Resource": "*",
                "Condition": {
                    "StringLike": {
                        "ssm:resourceTag/aws:ssmmessages:session-id": "${aws:userid}*",
                        "ssm:resourceTag/aws:ssmmessages:target-id": instance,
                    }
                },
            },
        ],
    }
    keys = iam.make_user("ann", policy)

    with iam.enforced():
        ssm = boto3.client("ssm", "us-east-1", **keys)
        own = ssm.start_session(Target=instance, DocumentName=INSTANCE, Parameters=PORT)
        assert outcome(ssm.terminate_session, SessionId=own["SessionId"]) == "allowed"
        assert outcome(ssm.terminate_session, SessionId=other) == "AccessDeniedException"


class Echo(socketserver.BaseRequestHandler):
    """Answers each message with itself, in capitals."""

    def handle(self) -> None:
        while piece := self.request.recv(1000):
            self.request.sendall(piece.upper())


@contextmanager
def running(server: socketserver.TCPServer) -> Iterator[int]:
    """Serve in a thread; yield the port."""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def channels(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Data channels at localhost; yields their URL's beginning."""
    found = certificates(tmp_path / "ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(found.ca))
    with running(DataChannels(world, ("127.0.0.1", 0), found.server, found.server_key)) as port:
        yield f"wss://ssmmessages.us-east-1.amazonaws.com:{port}"


@pytest.fixture
def echo() -> Iterator[int]:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    with running(server) as port:
        yield port


# The plugin in a process of its own, for which AWS's name is this machine.
HERE = """
import socket, sys
real = socket.create_connection
socket.create_connection = lambda address, *rest: real(("127.0.0.1", address[1]), *rest)
from localcloud.session_plugin import main
sys.exit(main(sys.argv[1:]))
"""
ON_IT = ("setsid", "--ctty")  # Ctrl-C on its terminal reaches it


@contextmanager
def plugin(
    started: dict[str, Any], url: str, stdin: int | None = None, terminal: int | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """Run the stand-in for AWS's plugin, as the AWS CLI does, perhaps on a terminal."""
    stream = started["StreamUrl"].replace("wss://ssmmessages.us-east-1.amazonaws.com", url)
    response = {"SessionId": started["SessionId"], "TokenValue": started["TokenValue"]}
    name = "AWS_SSM_START_SESSION_RESPONSE"
    arguments = [name, "us-east-1", "StartSession", "", "{}", "https://ssm.us-east-1.amazonaws.com"]
    process = subprocess.Popen(
        [*([] if terminal is None else ON_IT), sys.executable, "-c", HERE, *arguments],
        stdin=stdin if terminal is None else terminal,
        stdout=subprocess.PIPE if terminal is None else terminal,
        text=True,
        env=os.environ | {name: json.dumps(response | {"StreamUrl": stream})},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def opened_port(process: "subprocess.Popen[str]") -> int:
    assert process.stdout
    for line in process.stdout:
        if line.startswith("Port "):
            return int(line.split()[1])
    raise AssertionError("no port was opened")


def test_what_is_sent_to_the_plugins_port_reaches_the_machines(
    aws: Clients, instance: str, channels: str, echo: int
) -> None:
    started = start(aws, instance, portNumber=str(echo))

    with plugin(started, channels) as process:
        port = opened_port(process)
        with (
            socket.create_connection(("127.0.0.1", port), 5) as one,
            socket.create_connection(("127.0.0.1", port), 5) as other,
        ):
            one.sendall(b"hello")
            other.sendall(b"there")
            assert (one.recv(100), other.recv(100)) == (b"HELLO", b"THERE")


def test_the_plugin_exits_when_its_session_is_terminated(
    aws: Clients, instance: str, channels: str
) -> None:
    started = start(aws, instance)

    with plugin(started, channels) as process:
        opened_port(process)
        aws("ssm").terminate_session(SessionId=started["SessionId"])

        assert process.wait(10) == 0


def test_a_data_channel_needs_the_sessions_own_token(
    aws: Clients, instance: str, channels: str
) -> None:
    started = start(aws, instance) | {"TokenValue": "guessed"}

    with plugin(started, channels) as process:
        assert process.wait(10) == 1


@pytest.mark.parametrize(
    ("resource", "code"),
    [("session/*", None), ("session/{id}", None), ("session/ann-0123456789abcdef0", 1)],
)
def test_a_data_channel_needs_a_permission_on_the_session(
    aws: Clients, instance: str, channels: str, resource: str, code: int | None
) -> None:
    started = start(aws, instance)
    arn = f"arn:aws:ssm:us-east-1:123456789012:{resource.format(id=started['SessionId'])}"

    with (
        acting_as_ann(("ssmmessages:OpenDataChannel", arn)),
        plugin(started, channels) as process,
    ):
        if code is None:
            assert opened_port(process) > 0
        else:
            assert process.wait(10) == code


def test_what_is_not_signed_opens_no_data_channel(
    aws: Clients, instance: str, channels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = start(aws, instance)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    with iam.enforced(), plugin(started, channels) as process:
        assert process.wait(10) == 1


def test_an_unknown_session_has_no_data_channel(channels: str) -> None:
    port = int(channels.rpartition(":")[2])
    context = ssl.create_default_context()
    with socket.create_connection(("127.0.0.1", port), 5) as plain:
        name = "ssmmessages.us-east-1.amazonaws.com"
        with context.wrap_socket(plain, server_hostname=name) as channel:
            request = b"GET /v1/data-channel/x?role=r HTTP/1.1\nHost: x\n\n"
            channel.sendall(request + b'{"TokenValue": "x"}\n')
            assert channel.recv(100) == b"refused\n"
