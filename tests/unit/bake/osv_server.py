"""An OSV of a test's own, on loopback: the documented API over records that the test gives."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Known = dict[tuple[str, str, str], list[str]]


class OsvServer(ThreadingHTTPServer):
    """``known``: the ids by ecosystem, name and version; ``page``: how many an answer has."""

    known: Known
    records: dict[str, dict[str, Any]]
    page: int
    questions: list[int]
    status: int

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: OsvServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/querybatch"
        self.server.questions.append(len(body["queries"]))
        self._answer({"results": [self._result(query) for query in body["queries"]]})

    def do_GET(self) -> None:
        record = self.server.records.get(self.path.removeprefix("/v1/vulns/"))
        self._answer(record, self.server.status if record else 404)

    def _result(self, query: dict[str, Any]) -> dict[str, Any]:
        """https://google.github.io/osv.dev/post-v1-querybatch/: ids alone, {} for none; pages."""
        package = query["package"]
        ids = self.server.known.get((package["ecosystem"], package["name"], query["version"]), [])
        start = int(query.get("page_token", "0"))
        end = start + self.server.page
        more = {"next_page_token": str(end)} if end < len(ids) else {}
        vulns = [{"id": name, "modified": "2026-11-01T00:00:00Z"} for name in ids[start:end]]
        return ({"vulns": vulns} if vulns else {}) | more

    def _answer(self, body: object, status: int | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status or self.server.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


@contextmanager
def osv_server(known: Known, *records: dict[str, Any], page: int = 1000) -> Iterator[OsvServer]:
    """Serve records; every id of ``known`` has to be one of them."""
    server = OsvServer(("127.0.0.1", 0), _Handler)
    server.known, server.records = known, {record["id"]: record for record in records}
    server.page, server.questions, server.status = page, [], 200
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
