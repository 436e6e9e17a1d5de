"""A client that adds documents and asks about them all along, and notes every answer that is wrong.

Each document states a code that no other has. Once a document is done its code must be among the
passages of a question about it, exactly once. A question may be refused, for as long as what
answers it is broken.
"""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from botocore.exceptions import BotoCoreError, ClientError

from common.errors import PipelineError
from documents.providers.interfaces import Passage
from documents.quality.facts import FIRST, SECOND
from documents.quality.plain_pdf import plain_pdf

PASSAGES = 20


class Pipeline(Protocol):
    """What a client uses of a pipeline."""

    def put(self, name: str, content: bytes) -> None:
        """Have a document taken in; tries until it succeeds."""

    def done(self, names: Sequence[str]) -> list[str]:
        """Return which of these are answered from."""

    def passages(self, question: str, count: int) -> Sequence[Passage]:
        """Return the passages for a question; raises PipelineError."""


@dataclass(frozen=True)
class Document:
    """A document that states a code."""

    name: str
    code: str
    content: bytes


@dataclass
class BusyClient:
    """Adds and asks, in two threads, each so many seconds; times are of the monotonic clock."""

    pipeline: Pipeline
    pages: int = 1
    add_every: float = 3.0
    ask_every: float = 1.0
    codes: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    refused: int = 0
    _things: Iterator[str] = field(default_factory=lambda: _things())
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin to add and ask."""
        for target in (self._add_all_along, self._ask):
            thread = threading.Thread(target=target)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Add and ask no more."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def document(self, pages: int = 1) -> Document:
        """Return a document of so many pages that was not there before."""
        thing, stamp = next(self._things), time.monotonic_ns()
        code = str(stamp)[-9:]
        content = _pdf(thing, code, pages)
        return Document(f"{thing.replace(' ', '-')}-{stamp}.pdf", code, content)

    def add(self, document: Document) -> None:
        """Have it taken in, and expect that it is answered from."""
        self.pipeline.put(document.name, document.content)
        self.codes[document.name] = document.code

    def done(self) -> list[str]:
        """Return the names of what was added and is answered from."""
        return self.pipeline.done(list(self.codes))

    def check(self, name: str) -> None:
        """Ask for a document's code; note when it is not there, or twice. Raises PipelineError."""
        code = self.codes[name]
        question = f"What is the code of the {' '.join(name.split('-')[:2])}?"
        passages = self.pipeline.passages(question, PASSAGES)
        found = [one.sources for one in passages if code in one.text]
        if found != [(name,)]:
            self.wrong.append(f"{name}, {code}: {found}")
        self.answered.append(time.monotonic())

    def gap(self, since: float) -> float:
        """Return the longest time without an answer since a moment."""
        times = [since, *(at for at in self.answered if at > since)]
        return max((later - at for at, later in pairwise(times)), default=0.0)

    def _add_all_along(self) -> None:
        while not self._over.wait(self.add_every):
            self.add(self.document(self.pages))

    def _ask(self) -> None:
        while not self._over.wait(self.ask_every):
            try:
                if done := self.done():
                    self.check(random.choice(done))  # noqa: S311 # nothing secret
            except (PipelineError, ClientError, BotoCoreError):
                self.refused += 1


def _things() -> Iterator[str]:
    """Yield each thing once, then each again: names of documents have a number besides."""
    things = [f"{first} {second}".lower() for first in FIRST for second in SECOND]
    while True:
        random.shuffle(things)
        yield from things


def _pdf(thing: str, code: str, pages: int) -> bytes:
    stated = f"The code of the {thing} is {code}."
    filler = [f"Page {page} about the {thing}. " * 8 for page in range(2, pages + 1)]
    return plain_pdf([stated, *filler])
