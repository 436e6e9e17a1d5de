"""Ask a deployed pipeline a question over its API.

The API is described in documents/web/app.py: JSON objects, one a line, as they come.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from common.errors import PipelineError, Refused, Unanswered
from common.progress import say_nothing
from deploy.documents.pipeline import PORT
from deploy.reach.plugin import NotReached
from deploy.reach.road import Road
from documents.providers.interfaces import Passage

EXTRACTIVE = "extractive"
TIMEOUT = urllib3.Timeout(connect=5.0, read=60.0)
LOOK = urllib3.Timeout(connect=5.0, read=30.0)


@dataclass(frozen=True)
class Answer:
    """An answer; ``kind`` is ``extractive`` where it only quotes its passages."""

    question: str
    kind: str
    passages: tuple[Passage, ...]
    text: str

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


class Api:
    """The API of one pipeline, at a URL, with its token; a ``road`` leads there from outside."""

    def __init__(self, url: str, token: str, road: Road | None = None) -> None:
        self._url, self._headers = url, {"Authorization": f"Bearer {token}"}
        self._road = road
        self._http = urllib3.PoolManager(timeout=TIMEOUT, retries=False)

    def ask(
        self, question: str, passages: int = 5, heard: Callable[[str], None] = say_nothing
    ) -> Answer:
        """Return the answer; ``heard`` is called with each piece of it as it comes.

        Of an answer that only quotes, it hears the first sentence: the rest are its passages.
        Raises Refused where another question or token is needed, and where nothing is indexed yet;
        Unanswered where the API cannot be reached, PipelineError where it cannot answer now.
        """
        kind, found, text, ended = "", list[Passage](), "", False
        for said in self._lines({"question": question, "passages": passages}):
            kind = said.get("kind", kind)
            found += [_passage(one) for one in said.get("passages", ())]
            if kind and not found:
                raise Refused(
                    "no document is indexed yet, so there is nothing to answer from",
                    hint="invoke documents.add FILE; documents.status shows what is on its way",
                )
            if "error" in said:
                raise PipelineError(
                    f"the answer broke off: {said['error']}", hint="ask again in a while"
                )
            if "answer" in said:
                if not (text and kind == EXTRACTIVE):
                    heard(said["answer"])
                text += said["answer"]
            ended |= "end" in said
        if not ended:
            raise self._unreachable("the connection ended before the answer did")
        return Answer(question, kind, tuple(found), text)

    def answered(self) -> str:
        """Return how a request that takes its tables is answered: an HTTP status, or why not."""
        try:
            url = f"{self._base()}/status"
            answer = self._http.request("GET", url, headers=self._headers, timeout=LOOK)
        except (HTTPError, NotReached) as error:
            return f"nothing: {error}"
        return str(answer.status)

    def _base(self) -> str:
        """Return where the API is reached from here; raises NotReached."""
        if self._road is None:
            return self._url
        host, port = self._road.address(PORT)
        return f"http://{host}:{port}"

    def _lines(self, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield what the API says, line by line."""
        try:
            answer = self._http.request(
                "POST",
                f"{self._base()}/ask",
                headers=self._headers,
                body=json.dumps(asked).encode(),
                preload_content=False,
            )
            if answer.status != 200:
                raise _refusal(answer.status, answer.data, answer.headers.get("Retry-After"))
            yield from _json_lines(answer.stream())
        except (HTTPError, NotReached) as error:
            raise self._unreachable(str(error)) from error

    def _unreachable(self, why: str) -> PipelineError:
        return Unanswered(
            f"{self._url} does not answer: {why}",
            hint="invoke documents.status: does the head run, and is this machine on its network?",
        )


def _json_lines(pieces: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from (json.loads(line) for line in lines if line)


def _passage(said: dict[str, Any]) -> Passage:
    return Passage(
        tuple(said["sources"]), said["page"], said["heading"], said["text"], said["score"]
    )


def _refusal(status: int, body: bytes, after: str | None) -> PipelineError:
    """Return the error for an answer that is none."""
    try:
        words = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        words = f"the API answered {status}"
    if status == 401:
        return Refused(
            f"the API refuses the token of the pipeline's secret: {words}",
            hint="the head still has an older one: invoke documents.deploy --force restarts it",
        )
    if status == 503:
        return PipelineError(words, hint=f"ask again in {_time(after)}")
    if status == 400:
        return Refused(words, hint='invoke documents.ask "a question"')
    return PipelineError(words, hint="invoke documents.status")


def _time(seconds: str | None) -> str:
    if not (seconds or "").isdigit():
        return "a while"
    count = int(seconds or 0)
    return f"{count} s" if count < 120 else f"{count / 60:.0f} min"
