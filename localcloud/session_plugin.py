"""The stand-in for AWS's session-manager-plugin: what its callers see of it. No AWS.

Arguments, environment and words are the plugin's (github.com/aws/session-manager-plugin:
pkg/sessionmanagerplugin/session/session.go, portsession/muxportforwarding.go, shellsession/), as
the AWS CLI calls it (github.com/aws/aws-cli: awscli/customizations/sessionmanager.py,
ecs/executecommand.py). What it sends is described in localcloud/data_channels.py. Like the plugin,
it listens on localhost, exits when its session ends, and ends its session on SIGINT; or it is the
terminal of a shell (localcloud/plugin_shell.py).
"""

import json
import os
import select
import signal
import socket
import ssl
import sys
import threading
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from localcloud.plugin_shell import shell

VERSION = "1.2.896.0"
SERVICE = "ssmmessages"  # src/config/config.go, ServiceName
PIECE = 65_536
SHELL = "InteractiveCommands"  # the agent's name of sessions that are a command on a terminal
LOOK_EVERY = 0.2


def main(arguments: list[str]) -> int:
    """Forward a port until the session ends; return the exit code."""
    if arguments == ["--version"]:
        print(VERSION)
        return 0
    response, region, operation, profile, parameters, _endpoint = arguments
    if response.startswith("AWS_SSM_START_SESSION_RESPONSE"):
        response = os.environ[response]
    if operation != "StartSession":
        print("Invalid Operation")
        return 0
    session = json.loads(response)
    asked = json.loads(parameters).get("Parameters", {})
    print(f"\nStarting session with SessionId: {session['SessionId']}", flush=True)
    url = f"{session['StreamUrl'].partition('?')[0]}?role=publish_subscribe"
    channel, kind = opened(session, url, signature(url, region, profile))
    with channel:
        if kind == SHELL:
            return shell(session["SessionId"], channel)
        return forward(session, channel, int(asked.get("localPortNumber", ["0"])[0]))


def forward(session: dict[str, str], channel: ssl.SSLSocket, local_port: int) -> int:
    """Listen, and pass every connection on, while the data channel is open."""
    with socket.create_server(("localhost", local_port)) as listener:
        signal.signal(signal.SIGINT, lambda *_: sys.exit(_leave(session["SessionId"])))
        port = listener.getsockname()[1]
        print(f"Port {port} opened for sessionId {session['SessionId']}.", end="", flush=True)
        print("\nWaiting for connections...", flush=True)
        parent = os.getppid()
        while os.getppid() == parent:
            ready = select.select([channel, listener], [], [], LOOK_EVERY)[0]
            if channel in ready:
                break
            if listener in ready:
                connection, _ = listener.accept()
                threading.Thread(target=carry, args=(session, connection), daemon=True).start()
    return 0


def _leave(session_id: str) -> int:
    print(f"Terminate signal received, exiting.\n\n\nExiting session with sessionId: {session_id}.")
    return 0


def signature(url: str, region: str, profile: str) -> dict[str, str]:
    """Return the headers that sign a data channel's request; none without credentials.

    Like the plugin it takes the caller's credentials from the environment or the profile
    (src/communicator/websocketchannel.go, getV4SignatureHeader; src/sdkutil/awsconfig.go).
    """
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.session import Session

    credentials = Session(profile=profile or None).get_credentials()
    if credentials is None:
        return {}
    request = AWSRequest("GET", url.replace("wss://", "https://"))
    SigV4Auth(credentials.get_frozen_credentials(), SERVICE, region).add_auth(request)
    return dict(request.headers.items())


def opened(
    session: dict[str, str], address: str, headers: dict[str, str]
) -> tuple[ssl.SSLSocket, str]:
    """Return an open data channel, and what its session is for; exits when it is refused."""
    url = urlsplit(address)
    host = url.hostname or ""
    plain = socket.create_connection((host, url.port or 443), 10)
    channel = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    opening: dict[str, Any] = {"MessageSchemaVersion": "1.0", "TokenValue": session["TokenValue"]}
    lines = [f"{name}: {value}" for name, value in {"Host": url.netloc, **headers}.items()]
    lines = [f"GET {url.path}?{url.query} HTTP/1.1", *lines, "", json.dumps(opening), ""]
    channel.sendall("\n".join(lines).encode())
    answer = b""
    while not answer.endswith(b"\n") and (piece := channel.recv(1)):
        answer += piece
    state, _, kind = answer.decode().strip().partition(" ")
    if state != "open":
        sys.exit(f"Cannot perform start session: {session['SessionId']} is not open")
    channel.settimeout(None)
    return channel, kind


def carry(session: dict[str, str], near: socket.socket) -> None:
    """Pass one connection on, both ways."""
    forwarded = f"{session['StreamUrl'].partition('?')[0]}?forward=1"
    with suppress(OSError, SystemExit), near, opened(session, forwarded, {})[0] as far:
        ways: dict[Any, Any] = {near: far, far: near}
        while True:
            ready = [far] if far.pending() else select.select(list(ways), [], [])[0]
            for source in ready:
                piece = source.recv(PIECE)
                if not piece:
                    return
                ways[source].sendall(piece)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
