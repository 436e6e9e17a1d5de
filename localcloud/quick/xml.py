"""AWS's answers as XML, as xmltodict writes them for moto, in a fifth of its time."""

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import xmltodict

DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'
# With a declaration; AWS's query protocol has none.
USED_BY_MOTO = {"full_document": True, "pretty": False, "short_empty_elements": True}
USED_FOR_QUERIES = USED_BY_MOTO | {"full_document": False}


def unparse(body: Mapping[str, Any], **options: Any) -> str:
    """Return what ``xmltodict.unparse`` returns."""
    (name, *others), (value, *_) = body.keys(), body.values()
    is_used = options in (USED_BY_MOTO, USED_FOR_QUERIES)
    if not is_used or others or isinstance(value, list | tuple):
        return str(xmltodict.unparse(body, **options))
    parts = [DECLARATION] if options == USED_BY_MOTO else []
    _element(parts, name, value)
    return "".join(parts)


def _element(parts: list[str], name: str, value: Any) -> None:
    """Add an element; of a list, one for each item."""
    if isinstance(value, str):
        parts.append(f"<{name}>{escape(value)}</{name}>" if value else f"<{name}/>")
    elif isinstance(value, Mapping):
        _structure(parts, name, value)
    elif isinstance(value, list | tuple):
        for item in value:
            _element(parts, name, {} if item is None else item)
    elif value is None:
        parts.append(f"<{name}/>")
    else:
        _element(parts, name, _text(value))


def _structure(parts: list[str], name: str, value: Mapping[str, Any]) -> None:
    attributes = "".join(
        f" {key[1:]}={quoteattr(_text(item))}" for key, item in value.items() if key[0] == "@"
    )
    inside: list[str] = []
    for key, item in value.items():
        if key[0] != "@" and key != "#text":
            _element(inside, key, item)
    inside.append(escape(_text(value.get("#text"))))
    text = "".join(inside)
    closed = f">{text}</{name}>" if text else "/>"
    parts.append(f"<{name}{attributes}{closed}")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.decode() if isinstance(value, bytes) else "" if value is None else str(value)
