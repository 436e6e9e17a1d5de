"""AWS's API endpoint: moto behind TLS on port 443, one request at a time. No AWS.

A request is read, and its answer sent, without the world's lock; only moto itself runs under it.
An operation that moto lacks is answered with 501, which no client retries.
"""

import io
import json
import logging
import re
import socket
import ssl
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import ThreadedWSGIServer

from localcloud import workspaces
from localcloud.outages import outage_of
from localcloud.world import World

PORT = 443
HANDSHAKE_SECONDS = 10.0
IDLE_SECONDS = 60.0

NOT_IMPLEMENTED = "501 Not Implemented"
FAILED = "500 Internal Server Error"

log = logging.getLogger("localcloud.api")


class Serialized:
    """moto's application under the world's lock, with whole requests and whole answers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._moto = DomainDispatcherApplication(_application)
        # moto lists its folder for each request to tell which service a host is.
        self._moto.get_backend_for_host = cache(self._moto.get_backend_for_host)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = _body(environ)
        environ["wsgi.input"] = io.BytesIO(body)
        if outage := outage_of(environ):
            status, code, words = outage
            return _refused(environ, body, start_response, status, words, code)
        try:
            with self._world.lock:
                if workspaces.is_for(environ):
                    return _told(start_response, *workspaces.answer(environ))
                return self._answer(environ, start_response)
        except NotImplementedError as error:
            log.warning("%s: not implemented: %s", _call(environ, body), error)
            return _refused(environ, body, start_response, NOT_IMPLEMENTED, str(error))
        except Exception:
            log.exception("%s failed", _call(environ, body))
            return _refused(environ, body, start_response, FAILED, "see the local cloud's log")

    def _answer(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        answer = self._moto(environ, start_response)
        try:
            return [b"".join(answer)]
        finally:
            if hasattr(answer, "close"):
                answer.close()


def _told(start_response: Any, status: str, content: dict[str, Any]) -> list[bytes]:
    """Answer with JSON, or with nothing."""
    body = json.dumps(content).encode() if content else b""
    kind = ("Content-Type", "application/json")
    start_response(status, [kind, ("Content-Length", str(len(body)))])
    return [body]


def _application(service: Any) -> Any:
    """Return moto's application of one service, whose errors reach the caller."""
    application = create_backend_app(service)
    application.config["PROPAGATE_EXCEPTIONS"] = True
    return application


def _body(environ: dict[str, Any]) -> bytes:
    """Read the whole body of a request; a chunked one gets a Content-Length."""
    stream = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH")
    if length:
        return bytes(stream.read(int(length)))
    if not environ.get("wsgi.input_terminated"):
        return b""
    body = bytes(stream.read())
    environ["CONTENT_LENGTH"] = str(len(body))
    return body


def _call(environ: dict[str, Any], body: bytes) -> str:
    """Name what was called, for the log."""
    action = re.search(rb"(?:^|&)Action=(\w+)", body[:4096])
    target = environ.get("HTTP_X_AMZ_TARGET") or (action[1].decode() if action else "")
    what = target or f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
    return f"{environ.get('HTTP_HOST', '')} {what}"


def _refused(
    environ: dict[str, Any],
    request: bytes,
    start_response: Any,
    status: str,
    message: str,
    code: str = "",
) -> list[bytes]:
    """Answer in the form that the called service's clients read (botocore's parsers)."""
    code = code or status.partition(" ")[2].replace(" ", "")
    if "HTTP_X_AMZ_TARGET" in environ:
        kind, text = "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message})
    else:
        error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        kind, text = "text/xml", _wrapped(error, environ.get("HTTP_HOST", ""), request)
    body = text.encode()
    headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
    start_response(status, [*headers, ("x-amzn-ErrorType", code)])  # for rest-json
    return [body]


def _wrapped(error: str, host: str, request: bytes) -> str:
    if host.startswith("ec2."):
        return f"<Response><Errors>{error}</Errors></Response>"
    return f"<ErrorResponse>{error}</ErrorResponse>" if b"Action=" in request else error


class Handler(MotoRequestHandler):  # type: ignore[misc] # moto comes without types
    """Answers one request after the other on a connection, as AWS does; werkzeug's closes it.

    ``Serialized`` has read all of a request before it answers, so the next one follows.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are written separately
    timeout = IDLE_SECONDS

    def run_wsgi(self) -> None:
        """Answer a request."""
        self.environ = self.make_environ()
        self.wfile.write(b"".join(self.server.app(self.environ, self._start)))

    def _start(self, status: str, headers: list[tuple[str, str]], *_error: object) -> None:
        code, _, words = status.partition(" ")
        self.send_response(int(code), words)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()


class ApiServer(ThreadedWSGIServer):
    """Does the TLS handshake in the connection's own thread: a slow client delays no other."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, world: World, address: str, certificate: Path, key: Path, port: int = PORT
    ) -> None:
        super().__init__(address, port, Serialized(world), handler=Handler)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)
        self.ssl_context = self._tls  # werkzeug derives the URL's scheme from it

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(HANDSHAKE_SECONDS)
        try:
            secured = self._tls.wrap_socket(request, server_side=True)
        except (
            OSError,
            ssl.SSLError,
        ):  # it hung up, or does not trust our CA: the client's log says so
            return
        with secured:
            super().finish_request(secured, client_address)
            _close(secured)


def _close(connection: ssl.SSLSocket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # the client closed first
        return
