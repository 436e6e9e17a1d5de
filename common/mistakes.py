"""The mistakes in an environment's file, in words: what is wrong, and what would be right. No AWS.

pydantic speaks of Python's types; the file is TOML.
"""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

WHOLE_NUMBER, TABLE = "a whole number is needed", "a table is needed, such as { key = … }"
LIST, STRING = 'a list is needed, such as ["…"]', "a string is needed, in quotes"
BOOLEAN = "true or false is needed"
# By pydantic's types: docs.pydantic.dev/latest/errors/validation_errors/
WORDS: dict[str, Callable[[Any], str]] = {
    "missing": lambda _: "is missing",
    "bool_parsing": lambda _: BOOLEAN,
    "bool_type": lambda _: BOOLEAN,
    "dict_type": lambda _: TABLE,
    "model_type": lambda _: TABLE,
    "tuple_type": lambda _: LIST,
    "string_type": lambda _: STRING,
    "int_type": lambda _: WHOLE_NUMBER,
    "int_parsing": lambda _: WHOLE_NUMBER,
    "int_from_float": lambda _: WHOLE_NUMBER,
    "greater_than_equal": lambda error: f"{error['input']} is below {error['ctx']['ge']}",
    "less_than_equal": lambda error: f"{error['input']} is above {error['ctx']['le']}",
    "literal_error": lambda error: f"{error['input']!r} is not {error['ctx']['expected']}",
    "too_short": lambda error: f"{error['ctx']['min_length']} at least",
    "too_long": lambda error: f"{error['ctx']['max_length']} at most",
    "string_too_short": lambda _: "is empty",
}


def mistakes_in(error: ValidationError, table: type[BaseModel]) -> Iterator[str]:
    """Yield each mistake with its key; ``table`` is what the whole file describes."""
    found = error.errors()
    for one in found:
        place = one["loc"]
        if one["type"] == "too_short" and any(_is_within(place, other["loc"]) for other in found):
            continue  # of the values that are mistakes, none was counted
        for words in _words(one, table).splitlines():
            # Of the whole file, a mistake begins with its key.
            yield ": ".join(filter(None, (".".join(map(str, place)), words)))


def _is_within(place: tuple[int | str, ...], other: tuple[int | str, ...]) -> bool:
    return len(other) > len(place) and other[: len(place)] == place


def _words(error: Any, table: type[BaseModel]) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        *place, key = error["loc"]
        return _no_such_key(str(key), _keys(table, place))
    if kind in WORDS:
        return WORDS[kind](error)
    return str(error["msg"]).removeprefix("Value error, ")


def _no_such_key(key: str, keys: list[str]) -> str:
    close = get_close_matches(key, keys, n=1) or [one for one in keys if one in key]
    return "there is no such key" + (f"; there is {close[0]}" if close else "")


def _keys(table: Any, place: list[int | str]) -> list[str]:
    """Return the keys of the table at a place, which may be in lists and in tables by name."""
    kind = table
    for part in place:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[str(part)].annotation
            continue
        # tuple[X, ...], dict[str, X]
        kind = next(one for one in get_args(kind) if one not in (str, ...))
    # X | None
    kinds = (kind, *get_args(kind))
    return [key for one in kinds for key in getattr(one, "model_fields", ())]
