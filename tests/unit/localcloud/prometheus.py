"""Requests to the workspaces of Amazon Managed Prometheus, signed or not, and their answers."""

import io
import json
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from localcloud import workspaces
from localcloud.workspaces import HOST

TYPES = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}


def write(workspace: str) -> str:
    """Return the path that metrics are written to."""
    return f"/workspaces/{workspace}/api/v1/remote_write"


class Caller:
    """Signs with its credentials, for any service and region."""

    def __init__(self, credentials: dict[str, str]) -> None:
        self.credentials = Credentials(
            credentials["aws_access_key_id"],
            credentials["aws_secret_access_key"],
            credentials.get("aws_session_token"),
        )

    def ask(
        self,
        path: str,
        body: bytes = b"",
        *,
        method: str = "POST",
        headers: dict[str, str] = TYPES,
        service: str = "aps",
        region: str = "us-east-1",
        sent: bytes | None = None,
    ) -> tuple[str, dict[str, Any]]:
        """Send a request; ``sent``: another body than the one that is signed."""
        request = AWSRequest(method, f"https://{HOST}{path}", headers=headers, data=body)
        SigV4Auth(self.credentials, service, region).add_auth(request)
        return answered(method, path, dict(request.headers), body if sent is None else sent)


def answered(
    method: str, path: str, headers: dict[str, str], body: bytes
) -> tuple[str, dict[str, Any]]:
    """Return what the endpoint answers; as JSON, as it is sent."""
    place, _, query = path.partition("?")
    named = {f"HTTP_{name.upper().replace('-', '_')}": text for name, text in headers.items()}
    environ = named | {
        "REQUEST_METHOD": method,
        "PATH_INFO": place,
        "RAW_URI": path,
        "QUERY_STRING": query,
        "HTTP_HOST": HOST,
        "SERVER_NAME": HOST,
        "SERVER_PORT": "443",
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": headers.get("Content-Type", ""),
    }
    assert workspaces.is_for(environ)
    status, content = workspaces.answer(environ)
    return status, json.loads(json.dumps(content))
