"""docs/localcloud.md names tests, settings and files that exist."""

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

from localcloud.behaviour import IDEALIZED, LIKE_AWS, Behaviour
from localcloud.paths import paths

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/localcloud.md").read_text()
NAMED = re.findall(r"`((?:cloud/)?test_\w+\.py)::([\w:]+)`", PAGE)


def names_in(name: str) -> set[str]:
    """Return the tests of a file that the page names, as pytest does: ``TestClass::test_name``."""
    folder = ROOT / "tests" if name.startswith("cloud/") else Path(__file__).parent
    found = set()
    for node in ast.parse((folder / name).read_text()).body:
        if isinstance(node, ast.ClassDef):
            inner = [f for f in node.body if isinstance(f, ast.FunctionDef)]
            found |= {f"{node.name}::{f.name}" for f in inner}
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return found


@pytest.mark.parametrize(("name", "test"), NAMED)
def test_every_test_that_the_page_names_exists(name: str, test: str) -> None:
    assert test in names_in(name)


@pytest.mark.parametrize("key", [field.name for field in fields(Behaviour)])
def test_the_page_has_the_values_of_each_behaviour(key: str) -> None:
    values = [f"{float(getattr(one, key)):g}" for one in (IDEALIZED, LIKE_AWS)]

    assert re.search(rf"^\| `{key}` \|.*\| {values[0]} \| {values[1]} \|$", PAGE, re.MULTILINE)


def test_the_page_names_the_files_that_make_aws_fail() -> None:
    place = paths({"RAYKILN_HOME": "/home-of-a-cloud"})

    files = (place.shortages, place.interruptions, place.recommendations, place.clocks)
    more = (place.task_interruptions, place.s3_events, place.outages, place.late_groups)
    for file in (*files, *more):
        assert f"`{file.relative_to(place.home)}`" in PAGE
