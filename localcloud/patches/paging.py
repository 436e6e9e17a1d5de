"""Pages of a listing, as the Describe operations of AWS's APIs return them."""

from typing import Any


def page(
    response: Any, items: list[Any], limit: str, default: int, key: str = "NextToken"
) -> tuple[list[Any], str | None]:
    """Return the page that a request asks for, and the next page's token if there is one.

    ``limit`` and ``key`` are the names of the operation's parameters for the size of a page and
    for its token.
    """
    start = int(response._get_param(key) or 0)
    end = start + response._get_int_param(limit, default)
    return items[start:end], str(end) if end < len(items) else None
