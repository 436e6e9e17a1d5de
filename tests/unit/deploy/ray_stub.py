"""An HTTP server that answers as Ray's dashboard does, from what a test puts into it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from deploy.ray_api import RayApi

TOKEN = "a-token"


@dataclass
class RayStub:
    """What the dashboard knows; each look at a job moves it to its next state."""

    nodes: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[str, list[str]] = field(default_factory=dict)
    entrypoints: dict[str, str] = field(default_factory=dict)
    states: tuple[str, ...] = ("PENDING", "RUNNING", "SUCCEEDED")
    message: str = ""
    logs: str = ""
    failures: int = 0  # requests that are answered 500 before the next is heard
    answers_lost: int = 0  # requests that are carried out and then answered 500
    port: int = 0

    def add_node(self, address: str, *, head: bool = False, state: str = "ALIVE") -> None:
        """Let a node join."""
        node = {"node_id": f"id-{address}", "node_ip": address, "is_head_node": head}
        self.nodes.append({**node, "state": state})

    def api(self, token: str = TOKEN) -> RayApi:
        """Return an operator's end of it."""
        return RayApi("127.0.0.1", token, port=self.port)

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Return status and content."""
        if self.failures:
            self.failures -= 1
            return 500, "Timed out waiting for an available job agent"
        if path == "/api/v0/nodes":
            return 200, {"data": {"result": {"result": self.nodes}}}
        if method == "POST":
            return self._submit(body["submission_id"], body["entrypoint"])
        name, _, what = path.removeprefix("/api/jobs/").partition("/")
        if name not in self.jobs:
            return 404, f"Job {name} does not exist"
        if what == "logs":
            return 200, {"logs": self.logs}
        states = self.jobs[name]
        state = states.pop(0) if len(states) > 1 else states[0]
        return 200, {"status": state, "message": self.message}

    def _submit(self, name: str, entrypoint: str) -> tuple[int, Any]:
        if name in self.jobs:
            return 500, f"ValueError: Job with submission_id {name} already exists."
        self.jobs[name], self.entrypoints[name] = list(self.states), entrypoint
        if self.answers_lost:
            self.answers_lost -= 1
            return 500, "the head went away"
        return 200, {"submission_id": name}


@contextmanager
def serving(stub: RayStub) -> Iterator[RayStub]:
    """Serve it on the loopback for a while."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            status, content = 401, "Unauthorized: Missing authentication token"
            if self.headers.get("Authorization") == f"Bearer {TOKEN}":
                status, content = stub.answer(self.command, self.path, body)
            data = content if isinstance(content, str) else json.dumps(content)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(data.encode())

        do_GET = do_POST = _answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.port = server.server_address[1]
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
