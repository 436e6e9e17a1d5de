"""The instance metadata service at 169.254.169.254. Reads moto; knows instances by address.

Follows "Use the Instance Metadata Service to access instance metadata" and "Instance metadata
categories" in the EC2 user guide: session tokens by PUT (TTL 1 to 21600 s, refused with
X-Forwarded-For), version 1 only where HttpTokens is optional, tags only when they are enabled,
credentials of the instance profile's role renewed before they expire.
"""

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from localcloud.instance_facts import (
    facts,
    find_instance,
    identity,
    profile_of,
    role_of,
    user_data,
)
from localcloud.times import stamp
from localcloud.world import World

TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path
TOKEN_HEADER = "X-aws-ec2-metadata-token"  # noqa: S105 - a header's name
TTL_HEADER = f"{TOKEN_HEADER}-ttl-seconds"
LONGEST_TTL = 21600
CREDENTIAL_SECONDS = 6 * 3600
RENEW_BEFORE = 15 * 60  # "at least five minutes before the expiration of the old credentials"
VERSION = re.compile(r"^/(?:latest|\d{4}-\d\d-\d\d)(?=/|$)")

Value = str | Callable[[], str]


@dataclass(frozen=True)
class Reply:
    """An answer of the service."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Metadata:
    """The service itself, apart from HTTP."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tokens: dict[str, tuple[str, float]] = {}
        self._credentials: dict[str, tuple[float, Any]] = {}

    def put(self, address: str, path: str, ttl: str, forwarded: bool) -> Reply:
        """Return a session token for the instance at ``address``."""
        with self._world.lock:
            instance = find_instance(address)
        if path != TOKEN_PATH:
            return Reply(404)
        if instance is None or forwarded or not _endpoint_is_on(instance):
            return Reply(403)
        if not (ttl.isdigit() and 1 <= int(ttl) <= LONGEST_TTL):
            return Reply(400)
        token = secrets.token_urlsafe(42)
        self._tokens[token] = (instance.id, self._world.clock.now() + int(ttl))
        return Reply(200, token.encode(), ((TTL_HEADER, ttl),))

    def get(self, address: str, path: str, token: str | None) -> Reply:
        """Answer one read by the instance at ``address``."""
        with self._world.lock:
            instance = find_instance(address)
            if instance is None or not _endpoint_is_on(instance):
                return Reply(403)
            if not self._is_allowed(instance, token):
                return Reply(401)
            return self._read(instance, path)

    def _is_allowed(self, instance: Any, token: str | None) -> bool:
        if token is None:
            return bool(instance.metadata_options.http_tokens != "required")
        owner, end = self._tokens.get(token, ("", 0.0))
        return owner == instance.id and self._world.clock.now() < end

    def _read(self, instance: Any, path: str) -> Reply:
        if not VERSION.match(path):
            return Reply(404)
        key = VERSION.sub("", path).strip("/")
        if key == "user-data":
            data = user_data(instance)
            return Reply(200, data) if data else Reply(404)
        return _found(self._tree(instance), key)

    def _tree(self, instance: Any) -> dict[str, Value]:
        tree: dict[str, Value] = {
            f"meta-data/{key}": value for key, value in facts(instance).items()
        }
        tree["dynamic/instance-identity/document"] = json.dumps(identity(instance), indent=2)
        role = role_of(instance)
        if role:
            place = "meta-data/iam/security-credentials"
            tree[f"{place}/{role.name}"] = lambda: json.dumps(self._keys(instance, role), indent=2)
            tree["meta-data/iam/info"] = json.dumps(profile_of(instance), indent=2)
        return tree

    def _keys(self, instance: Any, role: Any) -> dict[str, str]:
        """Return an assumed role's keys: boto3 on the node is assumed-role/ROLE/INSTANCE."""
        now = self._world.clock.now()
        name = f"{instance.id}/{role.name}"
        made, keys = self._credentials.get(name, (0.0, None))
        if now - made > CREDENTIAL_SECONDS - RENEW_BEFORE:
            made, keys = now, _assumed(role, instance)
            self._credentials[name] = (made, keys)
        return {
            "Code": "Success",
            "LastUpdated": stamp(made),
            "Type": "AWS-HMAC",
            "AccessKeyId": keys.access_key_id,
            "SecretAccessKey": keys.secret_access_key,
            "Token": keys.session_token,
            "Expiration": stamp(made + CREDENTIAL_SECONDS),
        }


def _assumed(role: Any, instance: Any) -> Any:
    from moto.sts.models import sts_backends

    account, region = instance.ec2_backend.account_id, instance.ec2_backend.region_name
    return sts_backends[account]["aws"].assume_role(
        region, instance.id, role.arn, None, CREDENTIAL_SECONDS, None
    )


def _endpoint_is_on(instance: Any) -> bool:
    return bool(instance.metadata_options.http_endpoint != "disabled")


def _found(tree: dict[str, Value], key: str) -> Reply:
    """A leaf is its value; a folder lists its entries, folders with a slash; keys are `0=NAME`."""
    key = re.sub(r"^(meta-data/public-keys)/0(?=/|$)", lambda m: _key_name(tree, m[1]), key)
    value = tree.get(key)
    if value is not None:
        return Reply(200, (value() if callable(value) else value).encode())
    below = [path[len(key) :].lstrip("/") for path in tree if not key or path.startswith(f"{key}/")]
    entries = {_entry(rest) for rest in below}
    if key == "":
        entries.add("user-data")
    return Reply(200, "\n".join(sorted(entries)).encode()) if entries else Reply(404)


def _entry(rest: str) -> str:
    """`0=NAME` is listed without a slash, as the service does."""
    first, slash, _ = rest.partition("/")
    return first if re.match(r"\d+=", first) else first + slash


def _key_name(tree: dict[str, Value], place: str) -> str:
    found = [path for path in tree if path.startswith(f"{place}/0=")]
    return found[0].rpartition("/")[0] if found else f"{place}/0"


def handler(metadata: Metadata) -> type[BaseHTTPRequestHandler]:
    """Return an HTTP handler over the service."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        server_version = "EC2ws"
        sys_version = ""

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing: machines ask often."""

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            self._send(metadata.get(self.client_address[0], path, self.headers.get(TOKEN_HEADER)))

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            ttl = self.headers.get(TTL_HEADER, "")
            forwarded = "X-Forwarded-For" in self.headers
            self._send(metadata.put(self.client_address[0], self.path, ttl, forwarded))

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(reply.body)))
            for name, value in reply.headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

    return Handler


def serve(metadata: Metadata, address: str) -> ThreadingHTTPServer:
    """Return a server of the metadata service, listening."""
    server = ThreadingHTTPServer((address, 80), handler(metadata))
    server.daemon_threads = True
    return server
