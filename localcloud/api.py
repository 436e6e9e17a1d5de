"""AWS's API endpoint: moto behind TLS on port 443, one request at a time. No AWS.

A request is read, and its answer sent, without the world's lock; only moto itself runs under it.
"""

import io
import socket
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import ThreadedWSGIServer

from localcloud.world import World

PORT = 443
HANDSHAKE_SECONDS = 10.0


class Serialised:
    """moto's application under the world's lock, with whole requests and whole answers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["wsgi.input"] = io.BytesIO(_body(environ))
        with self._world.lock:
            answer = self._moto(environ, start_response)
            try:
                return [b"".join(answer)]
            finally:
                if hasattr(answer, "close"):
                    answer.close()


def _body(environ: dict[str, Any]) -> bytes:
    """Read the request's body to its end; a chunked one gets the length that it had."""
    stream = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH")
    if length:
        return bytes(stream.read(int(length)))
    if not environ.get("wsgi.input_terminated"):
        return b""
    body = bytes(stream.read())
    environ["CONTENT_LENGTH"] = str(len(body))
    return body


class ApiServer(ThreadedWSGIServer):
    """Shakes hands in the connection's own thread, so that a slow client delays nobody."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, world: World, address: str, certificate: Path, key: Path) -> None:
        super().__init__(address, PORT, Serialised(world), handler=MotoRequestHandler)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)
        self.ssl_context = self._tls  # werkzeug derives the URL's scheme from it

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(HANDSHAKE_SECONDS)
        try:
            secured = self._tls.wrap_socket(request, server_side=True)
        except (OSError, ssl.SSLError):  # it hung up, or does not trust us: its own log says so
            return
        secured.settimeout(None)
        with secured:
            super().finish_request(secured, client_address)
            _close(secured)


def _close(connection: ssl.SSLSocket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # the client was first
        return
