"""Sign what Prometheus on a head sends to a workspace of Amazon Managed Prometheus.

``python -m node.ray.remote_write`` is ray-remote-write.service: it listens on loopback and passes
each request on to the workspace, signed with the head's role. Prometheus can do so itself
(``sigv4``), but that of Debian 12 accepts the setting and sends requests without a signature.

A request at a time is held in memory, and none is kept: Prometheus keeps the samples, and sends
them again after an answer 429 or 5xx
(https://prometheus.io/docs/specs/prw/remote_write_spec/#retries-backoff).
"""

import os
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session

from node.clients import find_credentials
from node.contract import SIGNER_PORT
from node.identity import Identity
from node.log import ERROR, EventLog, Log

SERVICE = "aps"  # docs.aws.amazon.com/prometheus/latest/userguide/AMP-APIReference-RemoteWrite.html
PASSED_ON = ("Content-Type", "Content-Encoding", "User-Agent", "X-Prometheus-Remote-Write-Version")
LARGEST = 4 << 20  # bytes; a thousand samples, which Prometheus sends at once, have a tenth of it
SILENCE = 10.0  # seconds for which Prometheus may send nothing
# It waits 30 s itself (remote_timeout), and sends again.
CONNECT_SECONDS, READ_SECONDS = 3, 15
SAY_AGAIN = 60.0  # seconds between two lines about the same failure
LONGEST = 300  # characters of AWS's words

Headers = Mapping[str, str]


class Answer(NamedTuple):
    """What the workspace answered, or what kept us from asking it."""

    status: int
    words: str
    retry_after: str = ""  # seconds, where the workspace names them


def region_of(url: str) -> str:
    """Return the region in a workspace's URL: https://aps-workspaces.REGION.amazonaws.com/…"""
    return (urlsplit(url).hostname or "").split(".")[1]


class Workspace:
    """Sends requests to one workspace. ``session``: something like botocore's URLLib3Session."""

    def __init__(self, url: str, *, credentials: Any, session: Any) -> None:
        self._url, self._region = url, region_of(url)
        self._credentials, self._session = credentials, session

    def send(self, headers: Headers, body: bytes) -> Answer:
        """Send one request; 503 where there are no credentials or no connection."""
        request = AWSRequest("POST", self._url, headers=headers, data=body)
        try:
            # RuntimeError: the metadata service has only credentials that have expired.
            frozen = self._credentials.get_frozen_credentials()
            SigV4Auth(frozen, SERVICE, self._region).add_auth(request)
            answer = self._session.send(request.prepare())
        except (BotoCoreError, RuntimeError) as error:
            return Answer(503, str(error)[:LONGEST])
        # After the first line of a wrong signature there is what was signed, the token with it.
        words = answer.text.partition("\n")[0][:LONGEST]
        return Answer(answer.status_code, words, answer.headers.get("Retry-After", ""))


class Outcomes:
    """Logs when samples are no longer sent, once a minute while they are not, and when they are."""

    def __init__(self, log: Log, clock: Callable[[], float] = monotonic) -> None:
        self._log, self._clock = log, clock
        self._failed = 0  # requests since the last one that was taken
        self._say_at = 0.0

    def note(self, answer: Answer) -> None:
        """Take note of one answer."""
        if answer.status < 300:
            if self._failed:
                self._log("metrics are sent again", failed=self._failed)
            self._failed = 0
            return
        now = self._clock()
        if not self._failed or now >= self._say_at:
            self._say_at = now + SAY_AGAIN
            self._log(
                "metrics are not sent",
                level=ERROR,
                status=answer.status,
                words=answer.words,
                failed=self._failed + 1,
            )
        self._failed += 1


def handler(
    path: str, send: Callable[[Headers, bytes], Answer], outcomes: Outcomes
) -> type[BaseHTTPRequestHandler]:
    """Return what answers Prometheus: only POSTs to the workspace's path are passed on."""

    class Handler(BaseHTTPRequestHandler):
        timeout = SILENCE

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if self.path != path:
                return self._answer(Answer(404, f"not {path}"))
            if not length.isdigit() or int(length) > LARGEST:
                return self._answer(Answer(413, f"Content-Length is not 0 to {LARGEST}"))
            kept = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
            answer = send(kept, self.rfile.read(int(length)))
            outcomes.note(answer)
            return self._answer(answer)

        def _answer(self, answer: Answer) -> None:
            body = answer.words.encode()
            self.send_response(answer.status)
            if answer.retry_after:
                self.send_header("Retry-After", answer.retry_after)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing: ``outcomes`` does."""

    return Handler


def main() -> int:
    """Serve until the unit is stopped."""
    identity, log = Identity.read(), EventLog()
    # AWS_CA_BUNDLE as in every client of boto3: docs.aws.amazon.com/sdkref/latest/guide/
    # feature-gen-config.html
    session = URLLib3Session(
        verify=os.environ.get("AWS_CA_BUNDLE") or True, timeout=(CONNECT_SECONDS, READ_SECONDS)
    )
    credentials = find_credentials(identity.region)
    workspace = Workspace(identity.remote_write, credentials=credentials, session=session)
    path = urlsplit(identity.remote_write).path
    answers = handler(path, workspace.send, Outcomes(log))
    with HTTPServer(("127.0.0.1", SIGNER_PORT), answers) as server:
        log("signing metrics", workspace=identity.remote_write)
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
