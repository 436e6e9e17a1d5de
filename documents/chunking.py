"""Cut sections into chunks of tokens that overlap, each with its page and heading. No AWS.

A chunk is what is embedded, found and quoted. It never crosses a page or a heading, and ends at a
paragraph or a sentence where one ends in its second half.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from documents.parsing.section import Section

# The places of a text's tokens, in order: where each begins and ends.
Spans = list[tuple[int, int]]
Tokenize = Callable[[str], Spans]
# Tokenizers take an unbroken run of letters for one unknown token, however long it is.
LONGEST_TOKEN = 24
# Where a chunk may end, the best first.
ENDS = (re.compile(r"\n\s*\n"), re.compile(r"[.!?。]['\")]*\s"), re.compile(r"\n"))


@dataclass(frozen=True)
class Chunk:
    """One passage of a document; ``number`` counts from 0 through the whole document."""

    number: int
    page: int
    heading: str
    text: str

    @property
    def embedded(self) -> str:
        """What is embedded: the heading says what the passage is about."""
        return f"{self.heading}\n{self.text}" if self.heading else self.text


def chunks(
    sections: Iterable[Section], tokenize: Tokenize, size: int, overlap: int
) -> Iterator[Chunk]:
    """Yield the chunks of a document, at most ``size`` tokens each, ``overlap`` of them shared."""
    number = 0
    for section in sections:
        text = _tidy(section.text)
        for start, end in _windows(text, _short(tokenize(text)), size, overlap):
            yield Chunk(number, section.page, section.heading, text[start:end].strip())
            number += 1


def _windows(text: str, spans: Spans, size: int, overlap: int) -> Iterator[tuple[int, int]]:
    first = 0
    while first < len(spans):
        last = min(first + size, len(spans))
        start, end = spans[first][0], spans[last - 1][1]
        if last < len(spans):
            middle = spans[first + size // 2][0]
            end = _end(text, middle, end)
            last = first + sum(1 for one in spans[first:last] if one[1] <= end)
        yield start, end
        if last >= len(spans):
            return
        first = max(last - overlap, first + 1)


def _end(text: str, middle: int, end: int) -> int:
    for pattern in ENDS:
        found = [match.end() for match in pattern.finditer(text, middle, end)]
        if found:
            return found[-1]
    return end


def _short(spans: Spans) -> Spans:
    return [
        (at, min(at + LONGEST_TOKEN, end))
        for start, end in spans
        for at in range(start, end, LONGEST_TOKEN)
    ]


def _tidy(text: str) -> str:
    """Return text with single spaces, and no more than one empty line in a row."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
