"""Session Manager's data channels: ssmmessages, and the agents' end on the machines. No AWS.

AWS's plugin opens one web socket for each session and multiplexes connections over it
(github.com/aws/session-manager-plugin, pkg/datachannel/streaming.go and
pkg/sessionmanagerplugin/session/portsession/muxportforwarding.go; on the instance
github.com/aws/amazon-ssm-agent, agent/session/plugins/port/port_mux.go). Nothing of ours sees what
is inside, so the stand-in does without: its plugin (localcloud/session_plugin.py) opens one TLS
connection that stands for the web socket, and one for each connection that is forwarded. Both begin
with the request of a data channel and the JSON that opens it, with the session's token; the answer
names what the session is for, as the agent's handshake does. A shell's bytes are on the first of
them. That one is signed, as the plugin does since 1.2.764.0 (.../userguide/
plugin-version-history.html), and its sender needs ssmmessages:OpenDataChannel on the session
(.../userguide/getting-started-restrict-access-quickstart.html).
"""

import json
import logging
import select
import socket
import socketserver
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from moto.core.request import Request

from localcloud.account import ACCOUNT, REGION
from localcloud.patches import iam
from localcloud.patches.ssm.sessions import KEEPALIVE_SECONDS, Session, find
from localcloud.patches.ssm.targets import is_connected
from localcloud.shell_channel import ShellChannel
from localcloud.world import World

PORT = 443
OPENING_SECONDS = 10.0
LOOK_EVERY = 0.2
PIECE = 65_536
PREFIX = "/v1/data-channel/"

log = logging.getLogger("localcloud.data_channels")


class DataChannels(socketserver.ThreadingTCPServer):
    """Accepts data channels; each is served in a thread of its own."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(
        self, world: World, address: tuple[str, int], certificate: Path, key: Path
    ) -> None:
        self.world = world
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate, key)
        super().__init__(address, Channel)


class Channel(socketserver.BaseRequestHandler):
    """One data channel, or one connection that is forwarded."""

    server: DataChannels

    def handle(self) -> None:
        """Serve it until it ends."""
        self.request.settimeout(OPENING_SECONDS)
        try:
            with self.server.tls.wrap_socket(self.request, server_side=True) as connection:
                self._serve(connection)
        except (OSError, ValueError, KeyError) as error:
            log.debug("a data channel ended: %r", error)

    def _serve(self, connection: ssl.SSLSocket) -> None:
        path = _line(connection).split()[1]
        headers = dict(_headers(connection))
        opened = json.loads(_line(connection))
        asked = urlsplit(path)
        is_forwarded = "forward" in parse_qs(asked.query)
        session_id, token = asked.path.removeprefix(PREFIX), opened["TokenValue"]
        request = Request.from_primitives("GET", f"https://{headers['Host']}{path}", headers)
        with self.server.world.lock:
            session = find(session_id, token)
            is_open = session is not None and _opened(session, None if is_forwarded else request)
        if session is None or not is_open:
            connection.sendall(b"refused\n")
            return
        connection.sendall(b"open InteractiveCommands\n" if session.command else b"open Port\n")
        connection.settimeout(None)
        if session.command:
            self._shell(connection, session)
        elif is_forwarded:
            self._forward(connection, session)
        else:
            self._hold(connection, session)

    def _shell(self, connection: ssl.SSLSocket, session: Session) -> None:
        """Run the session's command on a terminal, which ends the session."""
        world = self.server.world
        try:
            terminal = world.driver.shell(session.target, session.command)
            ShellChannel(world, session, connection, terminal).serve()
        finally:
            with world.lock:
                session.end(world.clock.now(), "its command has ended")

    def _hold(self, connection: ssl.SSLSocket, session: Session) -> None:
        """Stay open for as long as the session is."""
        while session.ended is None:
            if select.select([connection], [], [], LOOK_EVERY)[0]:
                return

    def _forward(self, connection: ssl.SSLSocket, session: Session) -> None:
        """Pass bytes on, both ways; a lost target says nothing, so what it held hangs."""
        try:
            there = self.server.world.driver.dial(session.target, session.host, session.port)
        except OSError as error:
            log.info("%s: %s:%d: %s", session.id, session.host, session.port, error)
            self._hang(session)
            return
        there.settimeout(None)
        with there, suppress(OSError):
            _splice(connection, there, session, self.server.world)
        self._hang(session)

    def _hang(self, session: Session) -> None:
        end = time.monotonic() + KEEPALIVE_SECONDS
        while time.monotonic() < end and session.ended is None and self._is_lost(session):
            time.sleep(LOOK_EVERY)

    def _is_lost(self, session: Session) -> bool:
        with self.server.world.lock:
            return not is_connected(self.server.world, session.target)


def _opened(session: Session, request: Request | None) -> bool:
    """Open a data channel, if who signed the request may; a shell has one, and one only.

    Without a request, say whether one is open, for a connection to be forwarded.
    """
    if session.begun and session.command:
        return False
    if request is None:
        return session.begun
    arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:session/{session.id}"
    if refused := iam.refusal(request, "ssmmessages", "ssmmessages:OpenDataChannel", arn):
        log.info("%s: %s", session.id, refused)
        return False
    session.begun = True
    return True


def _headers(connection: ssl.SSLSocket) -> Iterator[tuple[str, str]]:
    """Yield the headers of a request, to the empty line behind them."""
    while line := _line(connection).strip():
        name, _, value = line.partition(":")
        yield name, value.strip()


def _line(connection: ssl.SSLSocket) -> str:
    """Read one line, and nothing behind it."""
    found = b""
    while not found.endswith(b"\n"):
        piece = connection.recv(1)
        if not piece or len(found) > PIECE:
            raise ValueError("no data channel was opened")
        found += piece
    return found.decode()


def _splice(near: ssl.SSLSocket, far: socket.socket, session: Session, world: World) -> None:
    """Pass bytes on until an end has closed, or the session has ended."""
    ways: dict[socket.socket, socket.socket] = {near: far, far: near}
    while session.ended is None:
        ready = [near] if near.pending() else select.select(list(ways), [], [], LOOK_EVERY)[0]
        for source in ready:
            piece = source.recv(PIECE)
            if not piece:
                return
            ways[source].sendall(piece)
            session.used = world.clock.now()
