"""What an attempt at one object has at hand, counts, and ends with. No AWS of its own."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from documents.chunking import Tokenize
from documents.control.claims import Claims
from documents.control.records import Audit, Metrics
from documents.control.vector_sets import VectorSets
from documents.parsing.process import ParserProcess
from documents.parsing.section import Section
from documents.providers.interfaces import Embeddings, Index
from documents.settings import Settings
from documents.source import Source
from documents.texts import Texts

# What a person is told of pages without text; the numbers of more are not listed.
LISTED_PAGES = 20


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended: finished, or to be tried again.

    ``retry_after`` is in how many seconds, where someone has said so. What is ``put_off`` needs no
    message meanwhile: the sweep sends one then.
    """

    finished: bool
    words: str
    retry_after: float | None = None
    put_off: bool = False


@dataclass
class Work:
    """What one worker has at hand; ``who`` is its name in the audit."""

    who: str
    settings: Settings
    claims: Claims
    sets: VectorSets
    audit: Audit
    metrics: Metrics
    source: Source
    parser: ParserProcess
    tokenize: Tokenize
    embeddings: Embeddings
    index: Index
    texts: Texts
    clock: Callable[[], float] = time.time


@dataclass
class Counts:
    """What has been read and written of one document."""

    pages: int = 0
    chunks: int = 0
    tokens: int = 0
    without_text: tuple[int, ...] = ()

    def read(self, sections: Iterator[Section]) -> Iterator[Section]:
        """Pass sections on and count their pages."""
        for section in sections:
            self.pages = max(self.pages, section.page)
            if not section.text.strip():
                self.without_text = (*self.without_text, section.page)
            yield section

    @property
    def note(self) -> str:
        """What a person should know of a document that was indexed."""
        if not self.without_text:
            return ""
        listed = ", ".join(map(str, self.without_text[:LISTED_PAGES]))
        more = len(self.without_text) - LISTED_PAGES
        return (
            f"no text on page {listed}{f' and {more} more' if more > 0 else ''}: "
            "scanned pages need OCR, which is out of scope"
        )
