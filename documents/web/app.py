"""The web API: ask, upload, watch. Runs under any ASGI server; documents/serve.py is Ray Serve's.

``GET /healthz`` and the page itself need no token; every other request carries
``Authorization: Bearer TOKEN``.
"""

import hmac
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from common.clients import Clients
from common.errors import PipelineError
from documents.access import Access, access
from documents.answering import LONGEST_QUESTION, Answerer
from documents.control.records import shown
from documents.errors import Unavailable
from documents.identity import INPUT, ObjectRef, object_of
from documents.parsing.formats import ENDINGS
from documents.providers import choose
from documents.settings import Settings
from documents.sweep import backlog
from documents.web.upload import upload

HERE = Path(__file__).parent
PASSAGES = 5
MOST_PASSAGES = 20
LISTED = 200
DAYS = 7
# The page has no script, style or frame of others (w3.org/TR/CSP3).
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
SHOWN = ("status", "pages", "chunks", "reason", "waiting", "note", "received_at", "updated_at")


class Api:
    """The routes, over what the settings name."""

    def __init__(self, settings: Settings, found: Access, answerer: Answerer, s3: Any) -> None:
        self._settings, self._access, self._answerer, self._s3 = settings, found, answerer, s3

    def routes(self) -> list[Route]:
        """Return what is served."""
        return [
            Route("/healthz", self.healthz),
            Route("/", _file("index.html")),
            Route("/page.js", _file("page.js")),
            Route("/page.css", _file("page.css")),
            Route("/favicon.ico", _no_icon),  # browsers ask for one
            Route("/ask", self.ask, methods=["POST"]),
            Route("/status", self.status),
            Route("/documents", self.documents),
            Route("/documents/{name:path}", self.put, methods=["PUT"]),
            Route("/history/{name:path}", self.history),
        ]

    async def healthz(self, request: Request) -> Response:
        """Answer that this process is there: a service that is down must not have it replaced."""
        return JSONResponse({"status": "ok"})

    async def ask(self, request: Request) -> Response:
        """Answer a question as JSON objects, one a line: sources, pieces of the answer, the end."""
        self._check(request)
        question, count = await _question(request)
        passages = await run_in_threadpool(self._answerer.passages, question, count)

        def lines() -> Iterator[str]:
            kind = self._answerer.answers.kind
            yield _line({"kind": kind, "passages": [asdict(one) for one in passages]})
            try:
                for piece in self._answerer.answer(question, passages):
                    yield _line({"answer": piece})
            except (Unavailable, PipelineError) as error:
                yield _line({"error": str(error)})
            yield _line({"end": True})

        return StreamingResponse(lines(), media_type="application/x-ndjson", headers=HEADERS)

    async def status(self, request: Request) -> Response:
        """Answer with how many documents there are by status, and what was done by day."""
        self._check(request)
        today = datetime.now(UTC)
        days = [f"{today - timedelta(days=ago):%Y-%m-%d}" for ago in range(DAYS)]

        def found() -> dict[str, Any]:
            by_day = {day: self._access.metrics.of_day(day) for day in days}
            return {"documents": backlog(self._access), "days": by_day}

        return JSONResponse(await run_in_threadpool(found), headers=HEADERS)

    async def documents(self, request: Request) -> Response:
        """Answer with the documents of the last week, newest first."""
        self._check(request)
        found = await run_in_threadpool(self._listed)
        return JSONResponse({"documents": found}, headers=HEADERS)

    def _listed(self) -> list[dict[str, Any]]:
        today, listed = datetime.now(UTC), list[dict[str, Any]]()
        for ago in range(DAYS):
            for record in self._access.listing.of_day(f"{today - timedelta(days=ago):%Y-%m-%d}"):
                said = {name: _plain(record[name]) for name in SHOWN if name in record}
                listed.append({"name": object_of(record["id"]).name, **said})
                if len(listed) == LISTED:
                    return listed
        return listed

    async def history(self, request: Request) -> Response:
        """Answer with what was done to a document, and by whom, oldest first."""
        self._check(request)
        ref = ObjectRef(self._settings.bucket, INPUT + request.path_params["name"])

        def found() -> list[dict[str, str]]:
            return [shown(entry) for entry in self._access.audit.entries(ref.id)]

        return JSONResponse({"entries": await run_in_threadpool(found)}, headers=HEADERS)

    async def put(self, request: Request) -> Response:
        """Take a document into ``input/``; S3 notifies of it as of any other."""
        self._check(request)
        name = request.path_params["name"]
        parts = name.split("/")
        if "" in parts or ".." in parts or "." in parts or len((INPUT + name).encode()) > 1024:
            raise HTTPException(400, f"{name!r} is no name for a document")
        known = [end for endings in ENDINGS.values() for end in endings]
        if not name.lower().endswith(tuple(known)):
            raise HTTPException(415, f"the name must end in one of: {' '.join(known)}")
        size = await upload(
            self._s3,
            self._settings.bucket,
            INPUT + name,
            request.stream(),
            self._settings.max_bytes,
        )
        if size is None:
            limit = self._settings.max_bytes / 2**20
            raise HTTPException(413, f"the document is larger than {limit:g} MiB")
        return JSONResponse({"name": name, "size": size}, status_code=201, headers=HEADERS)

    def _check(self, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        token = self._settings.token.get_secret_value().encode()
        right = token and hmac.compare_digest(given.strip().encode(), token)
        if scheme.lower() != "bearer" or not right:
            challenge = {"WWW-Authenticate": "Bearer"}
            raise HTTPException(401, "the token is missing or wrong", headers=challenge)


async def _question(request: Request) -> tuple[str, int]:
    try:
        asked = json.loads(await request.body())
        question, count = str(asked["question"]).strip(), int(asked.get("passages", PASSAGES))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise HTTPException(400, 'send {"question": "…"}') from error
    if not 0 < len(question) <= LONGEST_QUESTION:
        raise HTTPException(400, f"a question has 1 to {LONGEST_QUESTION} characters")
    if not 1 <= count <= MOST_PASSAGES:
        raise HTTPException(400, f"passages must be 1 to {MOST_PASSAGES}")
    return question, count


def _file(name: str) -> Any:
    async def serve(request: Request) -> Response:
        return FileResponse(HERE / name, headers=HEADERS)

    return serve


async def _no_icon(request: Request) -> Response:
    return Response(status_code=204)


def _line(said: dict[str, Any]) -> str:
    return json.dumps(said, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else int(value)


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)
    if isinstance(error, Unavailable):
        after = {"Retry-After": str(round(error.retry_after or 5))}
        return JSONResponse({"error": str(error)}, 503, after)
    return JSONResponse({"error": str(error)}, 500)


def make_api(settings: Settings, clients: Clients) -> Api:
    """Return the routes over what the settings name; loads the model."""
    found = access(settings, clients)
    answerer = Answerer(
        settings,
        choose.embeddings(settings),
        choose.index(settings, clients),
        found.sets,
        found.metrics,
        choose.answers(settings),
    )
    return Api(settings, found, answerer, clients("s3"))


def make_app(api: Api) -> Starlette:
    """Return the ASGI application."""
    handlers = dict.fromkeys((HTTPException, Unavailable, PipelineError), _refused)
    return Starlette(routes=api.routes(), exception_handlers=handlers)
