"""ECR's registry endpoint: who may do what, and which images there are; the rest is a registry's.

Follows "Private registry authentication" (docs.aws.amazon.com/AmazonECR/latest/userguide/
registry_auth.html: HTTP basic, user AWS, the token as password), "Required IAM permissions for
pushing an image" (.../userguide/image-push-iam.html) and the errors of the OCI distribution
specification. moto decides which repositories, tags and images exist; layers and manifests are
passed on to a registry that only this process reaches (localcloud/containers/registry.py).
"""

import base64
import binascii
import http.client
import json
import re
import ssl
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from moto.core.exceptions import ServiceException

from localcloud.certificates import Certificates
from localcloud.patches import ecr, iam
from localcloud.world import World

USER = "AWS"
PIECE = 1 << 20  # bytes passed on at a time
LONGEST_MANIFEST = 4 << 20  # as the registry itself accepts
PATH = re.compile(
    r"^/v2/(?P<name>[a-z0-9][a-z0-9._/-]*)/"
    r"(?P<kind>manifests|blobs/uploads|blobs|tags)(?:/(?P<reference>[^/]*))?$"
)
# What IAM has to allow for a request, by its kind and method.
ACTIONS = {
    ("manifests", "GET"): "BatchGetImage",
    ("manifests", "HEAD"): "BatchGetImage",
    ("manifests", "PUT"): "PutImage",
    ("blobs", "GET"): "GetDownloadUrlForLayer",
    ("blobs", "HEAD"): "BatchCheckLayerAvailability",
    ("blobs/uploads", "POST"): "InitiateLayerUpload",
    ("blobs/uploads", "PATCH"): "UploadLayerPart",
    ("blobs/uploads", "GET"): "UploadLayerPart",
    ("blobs/uploads", "PUT"): "CompleteLayerUpload",
    ("tags", "GET"): "ListImages",
}
NOT_PASSED_ON = ("authorization", "content-length", "transfer-encoding", "connection")
NOT_PASSED_BACK = ("transfer-encoding", "connection", "date", "server")


class Refusal(Exception):
    """An answer in the form of the distribution specification's errors."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def password_in(authorization: str) -> str | None:
    """Return the password of HTTP basic authentication by the user AWS."""
    kind, _, encoded = authorization.partition(" ")
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password if kind.lower() == "basic" and user == USER else None


def permit(authorization: str, method: str, path: str) -> re.Match[str] | None:
    """Return the path's parts if the request is allowed, or None for /v2/; raises Refusal."""
    token = ecr.token_of(password_in(authorization) or "")
    if token is None:
        raise Refusal(401, "UNAUTHORIZED", "authentication required")
    if path in ("/v2/", "/v2"):
        return None
    found = PATH.match(path)
    action = ACTIONS.get((found["kind"], method)) if found else None
    if found is None or action is None:
        raise Refusal(405, "UNSUPPORTED", f"{method} {path} is not supported")
    arn = ecr.repository_arn(found["name"])
    if arn is None:
        raise Refusal(
            404, "NAME_UNKNOWN", f"The repository with name '{found['name']}' does not exist"
        )
    if token.signer and not iam.holder_may(*token.signer, f"ecr:{action}", arn):
        raise Refusal(
            403,
            "DENIED",
            f"not authorized to perform: ecr:{action} on resource: {arn} because no "
            f"identity-based policy allows the ecr:{action} action",
        )
    return found


def manifest_digest(name: str, reference: str) -> str:
    """Return the digest of an image that exists; raises Refusal."""
    image = ecr.image_of(name, reference)
    if image is None:
        raise Refusal(404, "MANIFEST_UNKNOWN", "Requested image not found")
    return str(image.image_digest)


def handler(world: World, registry: str) -> type[BaseHTTPRequestHandler]:
    """Return an HTTP handler in front of the registry at ``registry`` (HOST:PORT)."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing: a push is hundreds of requests."""

        def _handle(self) -> None:
            try:
                with world.lock:
                    asked = urlsplit(self.path).path
                    found = permit(self.headers.get("Authorization", ""), self.command, asked)
                self._answer(found)
            except Refusal as refusal:
                self._refuse(refusal)

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815

        def _answer(self, found: re.Match[str] | None) -> None:
            if found is None:
                self._send(b"{}")
            elif found["kind"] == "tags":
                with world.lock:
                    listed = {"name": found["name"], "tags": ecr.tags_of(found["name"])}
                self._send(json.dumps(listed).encode())
            elif found["kind"] == "manifests" and self.command == "PUT":
                self._put_manifest(found["name"], found["reference"])
            elif found["kind"] == "manifests":
                with world.lock:
                    digest = manifest_digest(found["name"], found["reference"])
                self._pass_on(f"/v2/{found['name']}/manifests/{digest}", b"")
            else:
                self._pass_on(self._blob_path(), self._body())

        def _blob_path(self) -> str:
            """Without a request to mount another repository's layer, which ECR does not do."""
            whole = urlsplit(self.path)
            return whole.path if self.command == "POST" else self.path

        def _put_manifest(self, name: str, reference: str) -> None:
            manifest = b"".join(self._body())
            if len(manifest) > LONGEST_MANIFEST:
                raise Refusal(400, "MANIFEST_INVALID", "the manifest is too large")
            tag = None if reference.startswith("sha256:") else reference
            media_type = self.headers.get("Content-Type", "")
            try:
                with world.lock:
                    ecr.check_image(name, manifest, tag)
                self._pass_on(
                    self.path, manifest, lambda: ecr.put_image(name, manifest, tag, media_type)
                )
            except ServiceException as error:
                raise Refusal(400, "TAG_INVALID", str(error.message)) from error

        def _body(self) -> Iterator[bytes]:
            """Yield the request's body, piece by piece."""
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    yield self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return
            left = int(self.headers.get("Content-Length") or 0)
            while left > 0:
                piece = self.rfile.read(min(left, PIECE))
                if not piece:
                    raise Refusal(400, "BLOB_UPLOAD_INVALID", "the upload ended early")
                left -= len(piece)
                yield piece

        def _pass_on(
            self,
            path: str,
            body: bytes | Iterator[bytes],
            created: Callable[[], None] = lambda: None,
        ) -> None:
            """Send the request to the registry and its answer back; ``created`` comes between."""
            chunked = "chunked" in self.headers.get("Transfer-Encoding", "")
            headers = {"X-Forwarded-Proto": "https"}
            for name in self.headers:
                if name.lower() not in NOT_PASSED_ON:
                    headers[name] = ", ".join(self.headers.get_all(name) or [])
            if isinstance(body, bytes):
                chunked = False
                headers["Content-Length"] = str(len(body))
            elif not chunked:
                headers["Content-Length"] = self.headers.get("Content-Length") or "0"
            connection = http.client.HTTPConnection(registry)
            try:
                connection.connect()
            except OSError as error:
                raise Refusal(503, "UNAVAILABLE", "the registry is not up") from error
            try:
                connection.request(self.command, path, body, headers, encode_chunked=chunked)
                answer = connection.getresponse()
                if answer.status == http.HTTPStatus.CREATED:
                    with world.lock:
                        created()
                self._send_back(answer)
            finally:
                connection.close()

        def _send_back(self, answer: http.client.HTTPResponse) -> None:
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in NOT_PASSED_BACK:
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                while piece := answer.read(PIECE):
                    self.wfile.write(piece)

        def _send(self, body: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            if status == http.HTTPStatus.UNAUTHORIZED:
                basic = 'Basic realm="https://ecr.amazonaws.com/",service="ecr.amazonaws.com"'
                self.send_header("WWW-Authenticate", basic)
            self.send_header("Content-Length", str(len(body)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _refuse(self, refusal: Refusal) -> None:
            self.close_connection = True  # the body of the request may not have been read
            error = {"code": refusal.code, "message": refusal.message}
            self._send(json.dumps({"errors": [error]}).encode(), refusal.status)

    return Handler


def serve(
    world: World, address: str, registry: str, certificates: Certificates
) -> ThreadingHTTPServer:
    """Return a server of the endpoint, listening with the local cloud's certificate."""
    server = ThreadingHTTPServer((address, 443), handler(world, registry))
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.server_key)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    return server
