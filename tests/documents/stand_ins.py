"""A server that speaks as OpenAI and Pinecone do, fails as they do, and counts what it charges."""

import json
import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zlib import crc32

KEY = "sk-stand-in"


@dataclass
class Failure:
    """What a server answers in place of its next answers; ``hang`` is seconds before any."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    code: str = ""
    hang: float = 0.0


@dataclass
class StandIn:
    """One server: the failures still to come, the requests that came, the tokens charged."""

    failures: list[Failure] = field(default_factory=list)
    requests: list[tuple[str, Any]] = field(default_factory=list)
    tokens: int = 0
    dimension: int = 0
    vectors: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Writes that are not shown yet: Pinecone is eventually consistent.
    hidden_for: int = 0
    url: str = ""
    # Texts that share words are near each other; else all are the same.
    hashed: bool = False

    def answer(self, path: str, body: Any) -> tuple[str, bytes]:
        """Return the type and the body of an answer."""
        self.requests.append((path, body))
        if path == "/v1/chat/completions":
            return "text/event-stream", self._chat(body)
        said = {
            "/v1/embeddings": self._embed,
            "/vectors/upsert": self._upsert,
            "/query": self._query,
            "/vectors/delete": self._delete,
            "/vectors/fetch": self._fetch,
        }[path](body)
        return "application/json", json.dumps(said).encode()

    def _embed(self, body: Any) -> Any:
        size = self.dimension or body["dimensions"]
        self.tokens += sum(len(text.split()) for text in body["input"])
        data = [
            {"object": "embedding", "index": at, "embedding": self._vector(body["input"][at], size)}
            for at in reversed(range(len(body["input"])))
        ]
        usage = {"prompt_tokens": self.tokens, "total_tokens": self.tokens}
        return {"object": "list", "model": body["model"], "data": data, "usage": usage}

    def _vector(self, text: str, size: int) -> list[float]:
        vector = [0.0 if self.hashed else float(at == 0) for at in range(size)]
        for word in re.findall(r"\w+", text.lower()) if self.hashed else ():
            vector[crc32(word.encode()) % size] += 1
        length = math.hypot(*vector) or 1.0
        return [number / length for number in vector]

    def _chat(self, body: Any) -> bytes:
        self.tokens += sum(len(one["content"].split()) for one in body["messages"])
        parts = [{"content": word} for word in ("Thirty ", "days ", "[1].")]
        events = [
            {
                "id": "1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": body["model"],
                "choices": [{"index": 0, "delta": part, "finish_reason": None}],
            }
            for part in parts
        ]
        lines = [f"data: {json.dumps(event)}\n\n" for event in events]
        return "".join([*lines, "data: [DONE]\n\n"]).encode()

    def _upsert(self, body: Any) -> Any:
        self.vectors |= {one["id"]: one for one in body["vectors"]}
        return {"upsertedCount": len(body["vectors"])}

    def _query(self, body: Any) -> Any:
        def score(one: dict[str, Any]) -> float:
            return float(sum(a * b for a, b in zip(one["values"], body["vector"], strict=True)))

        best = sorted(self.vectors.values(), key=score, reverse=True)[: body["topK"]]
        matches = [
            {"id": one["id"], "score": score(one), "values": [], "metadata": one["metadata"]}
            for one in best
        ]
        return {"matches": matches, "namespace": body.get("namespace", "")}

    def _delete(self, body: Any) -> Any:
        for key in body["ids"]:
            self.vectors.pop(key, None)
        return {}

    def _fetch(self, body: Any) -> Any:
        self.hidden_for -= 1
        shown = {} if self.hidden_for >= 0 else self.vectors
        return {"vectors": {key: shown[key] for key in body["ids"] if key in shown}}


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer(self.path, json.loads(body or b"{}"))

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            ids = [one.partition("=")[2] for one in query.split("&") if one.startswith("ids=")]
            self._answer(path, {"ids": [one.replace("%23", "#") for one in ids]})

        def _answer(self, path: str, body: Any) -> None:
            failure = stand_in.failures.pop(0) if stand_in.failures else Failure()
            if failure.hang:
                threading.Event().wait(failure.hang)
            if KEY not in (
                self.headers.get("Authorization", "").removeprefix("Bearer "),
                self.headers.get("Api-Key"),
            ):
                failure = Failure(401, code="invalid_api_key")
            if failure.status == 200:
                kind, content = stand_in.answer(path, body)
            else:
                error = {"message": "no", "type": "error", "code": failure.code or None}
                kind, content = "application/json", json.dumps({"error": error}).encode()
            self.send_response(failure.status)
            for name, value in {"Content-Type": kind, **failure.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@contextmanager
def serving() -> Iterator[StandIn]:
    """Run a server on a free port of 127.0.0.1."""
    stand_in = StandIn()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stand_in))
    stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
