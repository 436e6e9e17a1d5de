"""Options: what is no number is refused in words."""

import pytest
from invoke.exceptions import ParseError

from commands.shared import Count, Seconds


def test_an_option_takes_a_number() -> None:
    assert Count("50") == 50
    assert Seconds("0.2") == 0.2


@pytest.mark.parametrize(
    ("kind", "words"),
    [(Count, "'many' is not a whole number"), (Seconds, "'many' is not a number of seconds")],
)
def test_an_option_that_is_no_number_is_named(kind: type[Count | Seconds], words: str) -> None:
    with pytest.raises(ParseError, match=words):
        kind("many")
