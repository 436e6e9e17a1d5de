"""Check that the sender of a request holds the secret of the key that it names.

Follows "AWS Signature Version 4 for API requests"
(docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html). moto signs the parsed query in
place of the body, so that signatures of some services never match; here the request is signed
again as it arrived.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/"
    r"(?P<service>[^/]+)/aws4_request,\s*SignedHeaders=(?P<headers>[^,]+),\s*"
    r"Signature=(?P<signature>[0-9a-f]+)"
)
_BODY = "raykiln.signed_body"  # in the WSGI environment
# How many minutes the sender's clock may be off; a few services allow 15: STS says so
# (github.com/aws/aws-cli/issues/6676), and S3 (github.com/aws/aws-sdk-php/issues/612). See also
# docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
TOLERANCE, MORE = 5, {"s3": 15, "sts": 15}
# What S3 says of it: docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
SKEWED = "The difference between the request time and the current time is too large."
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Signed:
    """What an Authorization header says."""

    key_id: str
    region: str
    service: str  # the signing name, which is not always IAM's prefix
    headers: tuple[str, ...]
    signature: str


def read(authorization: str) -> Signed | None:
    """Return what the header says, or None for one that is no Signature Version 4."""
    found = _AUTHORIZATION.fullmatch(authorization.strip())
    if found is None:
        return None
    headers = tuple(found["headers"].split(";"))
    return Signed(found["key"], found["region"], found["service"], headers, found["signature"])


def keep_body(environ: dict[str, Any]) -> None:
    """Remember the bytes that were signed, before moto parses or unpacks them."""
    if _BODY not in environ and "wsgi.input" in environ:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        environ[_BODY] = environ["wsgi.input"].read(length) if length else b""
        if length:
            environ["wsgi.input"] = BytesIO(environ[_BODY])


def problem(signed: Signed, credentials: Credentials, request: Any, ahead: float) -> str:
    """Return AWS's message when the signature or its time is wrong; else an empty string.

    The sender's clock counts as ``ahead`` seconds ahead of what it is.
    """
    if not _is_right(signed, credentials, request):
        return "The request signature we calculated does not match the signature you provided."
    return _untimely(signed.service, request, timedelta(seconds=ahead))


def _is_right(signed: Signed, credentials: Credentials, request: Any) -> bool:
    """Say whether the secret gives the same signature over the same request and body."""
    body: bytes = request.environ[_BODY]
    claimed = request.headers.get("X-Amz-Content-SHA256", "")
    if re.fullmatch("[0-9a-f]{64}", claimed) and claimed != hashlib.sha256(body).hexdigest():
        return False
    return hmac.compare_digest(signed.signature, _signature(signed, credentials, request, body))


def _untimely(service: str, request: Any, ahead: timedelta) -> str:
    now, stamp = datetime.now(UTC), request.headers.get("X-Amz-Date", "")
    off = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC) + ahead - now
    minutes = MORE.get(service, TOLERANCE)
    tolerance = timedelta(minutes=minutes)
    if abs(off) <= tolerance:
        return ""
    if service == "s3":
        return SKEWED
    if off < timedelta(0):
        limit = f"{now - tolerance:{_STAMP}} ({now:{_STAMP}} - {minutes} min.)"
        return f"Signature expired: {stamp} is now earlier than {limit}"
    limit = f"{now + tolerance:{_STAMP}} ({now:{_STAMP}} + {minutes} min.)"
    return f"Signature not yet current: {stamp} is still later than {limit}"


def _signature(signed: Signed, credentials: Credentials, request: Any, body: bytes) -> str:
    kind = S3SigV4Auth if signed.service == "s3" else SigV4Auth
    auth = kind(credentials, signed.service, signed.region)
    query = request.query_string.decode()
    url = f"https://{request.host}{request.raw_path}" + (f"?{query}" if query else "")
    headers = {name: request.headers.get(name, "") for name in signed.headers}
    again = AWSRequest(method=request.method, url=url, data=body, headers=headers)
    again.context["timestamp"] = request.headers.get("X-Amz-Date", "")
    canonical = auth.canonical_request(again)
    return str(auth.signature(auth.string_to_sign(again, canonical), again))
