"""The frame of every report: one page that stands alone. Pure: returns HTML as text.

No script, nothing fetched, light or dark as its reader's screen is, and fit to be printed.
"""

from collections.abc import Iterable
from html import escape
from pathlib import Path

STYLE = Path(__file__).with_name("style.css")
# What XML, and so a strict reader, does not allow: terminals' colours and the like.
UNPRINTABLE = {code: None for code in range(32) if chr(code) not in "\t\n\r"}


def page(title: str, parts: Iterable[str]) -> str:
    """Return the page; ``parts`` are HTML, empty ones are left out."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>{escape(title)}</title><style>\n{STYLE.read_text()}</style></head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body></html>\n"
    ).translate(UNPRINTABLE)


def figure(picture: str) -> str:
    """Return a picture in its frame."""
    return f'<div class="figure">{picture}</div>' if picture else ""


def section(title: str, content: str) -> str:
    """Return what has a heading of its own; nothing when it is empty."""
    return f"<h2>{title}</h2>\n{content}" if content else ""
