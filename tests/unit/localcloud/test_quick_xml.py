"""The XML of answers is that of xmltodict, which moto uses."""

from typing import Any

import pytest
import xmltodict

from localcloud.quick.xml import USED_BY_MOTO, USED_FOR_QUERIES, unparse


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "a <b> & 'c' \"d\" é",
        "two\nlines\tand\rmore",
        0,
        1.5,
        True,
        b"bytes",
        {},
        [],
        {"list": [None, "", "a", {"b": False}], "tuple": ("a", 2)},
        {"@xmlns": "https://aws/?a=1&b=<'\">", "name": "x"},
        {"@xsi:type": 'Canonical "User"', "#text": "x & y"},
        {"#text": None},
        {"#text": True, "a": None},
        {"item": [{"tagSet": {"item": [{"key": "k", "value": ""}]}}, {"tagSet": {"item": []}}]},
        {"a": {"b": {"c": [{"d": 1}, {"d": [1, 2, None]}]}}, "requestId": "x"},
    ],
)
def test_an_answer_is_written_as_xmltodict_writes_it(value: Any) -> None:
    body = {"Response": value}

    for options in (USED_BY_MOTO, USED_FOR_QUERIES):
        assert unparse(body, **options) == xmltodict.unparse(body, **options)
