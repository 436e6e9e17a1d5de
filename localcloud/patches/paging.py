"""Pages of a listing, as the Describe operations of AWS's APIs return them."""

from typing import Any


def page(response: Any, items: list[Any], limit: str, default: int) -> tuple[list[Any], str | None]:
    """Return the page that a request asks for, and the next page's token if there is one.

    ``limit`` is the name of the operation's parameter for the size of a page.
    """
    start = int(response._get_param("NextToken") or 0)
    end = start + response._get_int_param(limit, default)
    return items[start:end], str(end) if end < len(items) else None
