"""The frame of every report: one self-contained page. Pure: returns HTML as text.

No script, nothing fetched, light or dark as the reader's system is, and printable.
"""

from collections.abc import Iterable
from html import escape
from pathlib import Path

STYLE = Path(__file__).with_name("style.css")
# Control characters that XML does not allow, as in terminal colours.
UNPRINTABLE = {code: None for code in range(32) if chr(code) not in "\t\n\r"}


def page(title: str, parts: Iterable[str]) -> str:
    """Return the page; ``parts`` are HTML, and empty ones are left out."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>{escape(title)}</title><style>\n{STYLE.read_text()}</style></head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body></html>\n"
    ).translate(UNPRINTABLE)


def figure(drawing: str) -> str:
    """Return a drawing in its frame."""
    return f'<div class="figure">{drawing}</div>' if drawing else ""


def section(title: str, content: str) -> str:
    """Return a section with a heading; nothing if its content is empty."""
    return f"<h2>{title}</h2>\n{content}" if content else ""
