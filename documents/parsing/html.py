"""HTML by Python's own parser: headings, blocks, tables; nothing that is not shown. No AWS."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from documents.parsing.section import Headings, Section, rows_as_text
from documents.parsing.text import decoded

HIDDEN = {"script", "style", "template", "noscript", "svg", "title"}
# These end a line; of others the text runs on.
BLOCKS = {
    *("address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption"),
    *("footer", "form", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "ul"),
}
TITLES = {f"h{level}": level for level in range(1, 7)}


def sections(path: Path) -> Iterator[Section]:
    """Yield the text below each heading."""
    reader = _Reader()
    reader.feed(decoded(path))
    reader.close()
    reader.end_section()
    yield from reader.found


class _Reader(HTMLParser):
    """Collects the sections of one page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Section] = []
        self._headings = Headings()
        self._text: list[str] = []
        self._hidden: list[str] = []
        self._rows: list[list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in HIDDEN:
            self._hidden.append(tag)
        elif self._hidden:
            return
        elif tag in TITLES:
            self.end_section()
        elif tag == "table" and self._rows is None:
            self._rows = []
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        elif tag in ("td", "th") and self._rows is not None:
            self._cell()
        elif tag in BLOCKS:
            self._add("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            del self._hidden[self._hidden.index(tag) :]
        elif self._hidden:
            return
        elif tag in TITLES:
            title = "".join(self._text)
            self._headings.add(TITLES[tag], title)
            self._text = [" ".join(title.split()), "\n"]
        elif tag == "table" and self._rows is not None:
            rows, self._rows = self._rows, None
            self._add(f"\n{rows_as_text(rows)}\n")
        elif tag in BLOCKS:
            self._add("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._add(" ".join(data.split()) if not data.isspace() else " ", data)

    def _cell(self) -> None:
        if self._rows is not None:
            self._rows = self._rows or [[]]
            self._rows[-1].append("")

    def _add(self, text: str, data: str = "") -> None:
        """Add text where we are: a cell of a table, or the section."""
        before = " " if data[:1].isspace() and text.strip() else ""
        after = " " if data[-1:].isspace() and text.strip() else ""
        if self._rows and self._rows[-1]:
            self._rows[-1][-1] += before + text + after
        elif self._rows is None:
            self._text.append(before + text + after)

    def end_section(self) -> None:
        """Keep what was read since the last heading."""
        text = "".join(self._text)
        if text.strip():
            self.found.append(Section(1, str(self._headings), text))
        self._text = []
