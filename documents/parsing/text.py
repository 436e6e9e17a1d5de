"""Plain text in any encoding; a form feed ends a page. No AWS."""

import codecs
from collections.abc import Iterator
from pathlib import Path

import charset_normalizer

from documents.errors import Unreadable
from documents.parsing.section import Section

MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def sections(path: Path) -> Iterator[Section]:
    """Yield each page of the text."""
    for number, page in enumerate(decoded(path).split("\f"), 1):
        yield Section(number, "", page)


def decoded(path: Path) -> str:
    """Return a file's text: UTF-8, what its byte order mark says, or the best guess."""
    content = path.read_bytes()
    named = next((codec for mark, codec in MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        return content.decode(named)
    except UnicodeDecodeError:
        best = charset_normalizer.from_bytes(content).best()
    if best is None:
        raise Unreadable("its encoding is unknown; save it as UTF-8") from None
    return str(best)
