"""Answer over HTTP whether this head leads: for health checks and for operators. No AWS.

``GET /leader``: 200 while this head takes traffic (``Guard.takes_traffic``), else 503.
``GET /status``: JSON without secrets.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from node.contract import GUARD_PORT, LEADER_PATH, STATUS_PATH
from node.head.phases import Status


def serve_leader(
    takes_traffic: Callable[[], bool], status: Callable[[], Status], port: int = GUARD_PORT
) -> ThreadingHTTPServer:
    """Serve in the background until the process ends; handlers only read."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # a silent client must not keep a thread

        def do_GET(self) -> None:
            if self.path == LEADER_PATH:
                leading = takes_traffic()
                self._answer(200 if leading else 503, {"leader": leading})
            elif self.path == STATUS_PATH:
                self._answer(200, asdict(status()))
            else:
                self._answer(404, {})

        def _answer(self, code: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode() + b"\n"
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing: a health check comes every few seconds."""

    server = ThreadingHTTPServer(("0.0.0.0", port), Handler)  # noqa: S104 (the security group decides)
    server.daemon_threads = True
    Thread(target=server.serve_forever, name="http", daemon=True).start()
    return server
