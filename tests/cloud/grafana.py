"""A stand-in for Grafana, which no package here has: it is healthy, and has a page at any address.

``python -m tests.cloud.grafana ADDRESS PORT`` serves it for heads, ``grafana()`` for a browser.
"""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Grafana(ThreadingHTTPServer):
    """Keeps the addresses of the pages that it was asked for."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__((address, port), Pages)
        self.asked: list[str] = []


class Pages(BaseHTTPRequestHandler):
    server: Grafana

    def do_GET(self) -> None:
        # grafana.com/docs/grafana/latest/developers/http_api/other/#health-api
        if self.path == "/api/health":
            return self._answer("application/json", json.dumps({"database": "ok"}))
        self.server.asked.append(self.path)
        return self._answer("text/html", "<!doctype html><p>a graph</p>")

    def _answer(self, kind: str, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def grafana() -> Iterator[Grafana]:
    """Serve it on this machine."""
    with Grafana("127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    Grafana(sys.argv[1], int(sys.argv[2])).serve_forever()
