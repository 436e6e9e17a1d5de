"""An HTTP server that answers as Ray's dashboard does, from what a test adds to it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from deploy.cluster.ray_api import RayApi

TOKEN = "a-token"
DETAILS = {"bundles"}  # columns that Ray returns only with detail=true


@dataclass
class RayStub:
    """What the dashboard knows; each read of a job moves it to its next state.

    Lists are limited and filtered as by Ray; their rows are as Ray 2.60 returned them.
    """

    nodes: list[dict[str, Any]] = field(default_factory=list)
    actors: list[dict[str, Any]] = field(default_factory=list)
    placement_groups: list[dict[str, Any]] = field(default_factory=list)
    job_rows: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[str, list[str]] = field(default_factory=dict)
    entrypoints: dict[str, str] = field(default_factory=dict)
    selectors: dict[str, dict[str, str] | None] = field(default_factory=dict)
    states: tuple[str, ...] = ("PENDING", "RUNNING", "SUCCEEDED")
    message: str = ""
    logs: str = ""
    failures: int = 0  # requests that are answered 500 before one is carried out
    answers_lost: int = 0  # requests that are carried out and then answered 500
    port: int = 0
    headers: dict[str, str] = field(default_factory=dict)  # of the newest request

    def add_node(
        self,
        address: str,
        *,
        head: bool = False,
        state: str = "ALIVE",
        cpus: int = 0,
        labels: dict[str, str] | None = None,
    ) -> None:
        """Add a node."""
        node = {"node_id": f"id-{address}", "node_ip": address, "is_head_node": head}
        resources = {"memory": 5e9, f"node:{address}": 1.0}
        if cpus:
            resources |= {"CPU": float(cpus), "driver": 1000.0}
        facts = {"resources_total": resources, "labels": labels or {}}
        self.nodes.append({**node, **facts, "state": state})

    def add_job(self, name: str, *, node: str = "id-head", status: str = "RUNNING") -> None:
        """Add a submitted job, in the list only."""
        self.job_rows.append(
            {
                "type": "SUBMISSION",
                "job_id": None,
                "submission_id": name,
                "status": status,
                "entrypoint": "python secret.py",
                "driver_node_id": node,
            }
        )

    def add_driver(self, job_id: str) -> None:
        """Add a driver that was not submitted as a job."""
        self.job_rows.append(
            {
                "type": "DRIVER",
                "job_id": job_id,
                "submission_id": None,
                "status": "RUNNING",
                "entrypoint": "python secret.py",
                "driver_info": {"id": job_id, "node_ip_address": "10.77.0.9", "pid": "7"},
                "driver_node_id": None,
            }
        )

    def add_actor(
        self, class_name: str, node: str, *, name: str = "", state: str = "ALIVE", space: str = "x"
    ) -> None:
        """Add an actor."""
        self.actors.append(
            {
                "actor_id": f"{len(self.actors):032}",
                "class_name": class_name,
                "state": state,
                "job_id": "01000000",
                "name": name,
                "node_id": node,
                "pid": 7,
                "ray_namespace": space,
            }
        )

    def add_placement_group(self, name: str, *nodes: str, state: str = "CREATED") -> None:
        """Add a placement group."""
        group = f"{len(self.placement_groups):036}"
        bundles = [
            {
                "bundle_id": {"placement_group_id": group, "bundle_index": index},
                "unit_resources": {"CPU": 1.0},
                "node_id": node,
                "label_selector": {},
            }
            for index, node in enumerate(nodes)
        ]
        row = {"placement_group_id": group, "name": name, "state": state, "bundles": bundles}
        self.placement_groups.append(row)

    def api(self, token: str = TOKEN) -> RayApi:
        """Return an operator's client of it."""
        return RayApi("127.0.0.1", token, port=self.port)

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Return status and content."""
        if self.failures:
            self.failures -= 1
            return 500, "Timed out waiting for an available job agent"
        asked = urlsplit(path)
        if asked.path.startswith("/api/v0/"):
            rows = getattr(self, asked.path.removeprefix("/api/v0/"))
            return 200, {"data": {"result": {"result": _listed(rows, parse_qs(asked.query))}}}
        if method == "GET" and path == "/api/jobs/":
            return 200, self.job_rows
        if method == "POST":
            self.selectors[body["submission_id"]] = body.get("entrypoint_label_selector")
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


def _listed(rows: list[dict[str, Any]], asked: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Return the rows as Ray's state API does: filtered, limited, and without the details."""
    filters = dict(zip(asked.get("filter_keys", []), asked.get("filter_values", []), strict=True))
    found = [row for row in rows if all(row[key] == value for key, value in filters.items())]
    if asked.get("detail") != ["true"]:
        found = [{key: row[key] for key in row if key not in DETAILS} for row in found]
    return found[: int(asked.get("limit", ["100"])[0])]


@contextmanager
def serving(stub: RayStub) -> Iterator[RayStub]:
    """Serve it on the loopback interface."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            stub.headers = dict(self.headers)
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
