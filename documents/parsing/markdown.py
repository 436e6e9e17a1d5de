"""Markdown by markdown-it: headings and tables of CommonMark and GitHub. No AWS."""

from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from documents.parsing.section import Headings, Section, rows_as_text
from documents.parsing.text import decoded


def sections(path: Path) -> Iterator[Section]:
    """Yield the text below each heading."""
    tokens = MarkdownIt("commonmark").enable("table").parse(decoded(path))
    headings, lines = Headings(), list[str]()
    for start, token in enumerate(tokens):
        if token.type == "heading_open":
            if any(lines):
                yield Section(1, str(headings), "\n".join(lines))
            lines = []
            headings.add(int(token.tag.removeprefix("h")), _plain(tokens[start + 1]))
        elif token.type == "table_open":
            lines.append(rows_as_text(_rows(tokens, start)))
        elif token.type == "inline" and not _is_cell(tokens, start):
            lines.append(_plain(token))
        elif token.type in ("fence", "code_block"):
            lines.append(token.content)
    yield Section(1, str(headings), "\n".join(lines))


def _rows(tokens: list[Token], start: int) -> list[list[str]]:
    rows: list[list[str]] = []
    for at in range(start, len(tokens)):
        if tokens[at].type == "table_close":
            break
        if tokens[at].type == "tr_open":
            rows.append([])
        elif tokens[at].type == "inline":
            rows[-1].append(_plain(tokens[at]))
    return rows


def _is_cell(tokens: list[Token], at: int) -> bool:
    return tokens[at - 1].type in ("th_open", "td_open")


def _plain(token: Token) -> str:
    """Return what a reader sees of a line; of an image, what describes it."""
    parts = [
        "\n" if child.type in ("softbreak", "hardbreak") else child.content
        for child in token.children or ()
        if child.type != "html_inline"
    ]
    return "".join(parts)
