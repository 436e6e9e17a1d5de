"""Pages of a listing, as the Describe operations of AWS's APIs return them."""

from typing import Any


def page(
    response: Any, items: list[Any], size: int, key: str = "NextToken"
) -> tuple[list[Any], str | None]:
    """Return the page that a request asks for, and the next page's token if there is one.

    ``key`` is the name of the operation's parameter for a token.
    """
    start = int(response._get_param(key) or 0)
    end = start + size
    return items[start:end], str(end) if end < len(items) else None
