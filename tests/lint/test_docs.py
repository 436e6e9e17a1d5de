"""The pages: every link leads somewhere, and every file that they name exists."""

import os
import re
from pathlib import PurePosixPath

import pytest

from tests.lint.test_linters import ROOT, tracked

PAGES = tracked("*.md")
FILES = frozenset(tracked())
FOLDERS = frozenset(str(folder) for name in FILES for folder in PurePosixPath(name).parents)
FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# A file by its whole path, relative to the root. ENV, ID and NAME stand for others' names.
NAMED = re.compile(r"`(\.?[\w-]+(?:/[\w.-]+)*/[\w.-]+\.[a-z]+)`")
PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b")
# Written by commands, so not tracked; and files of Ray, which pages cite.
ELSEWHERE = (".raykiln/", ".venv/", "ray/", "dashboard/")


def prose(page: str) -> str:
    """Return a page without its blocks of code."""
    return FENCED.sub("", (ROOT / page).read_text("utf-8"))


def anchors(page: str) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(prose(page)))
    return {heading.strip().replace(" ", "-") for heading in plain}


def leads_somewhere(page: str, target: str) -> bool:
    """Say whether a link leads to a tracked file or folder, and to a heading that it has."""
    name, _, anchor = target.partition("#")
    path = (ROOT / page).parent / name if name else ROOT / page
    found = os.path.relpath(path, ROOT)
    if anchor:
        return found in FILES and anchor in anchors(found)
    return found in FILES or found in FOLDERS


def links(text: str) -> list[str]:
    """Return the targets of a page's links, but for those to other sites."""
    return [target for target in LINK.findall(text) if not re.match(r"[a-z]+:", target)]


def named_files(text: str) -> list[str]:
    """Return the files that a page names in backticks by their path."""
    return [
        name
        for name in NAMED.findall(text)
        if not PLACEHOLDER.search(name) and not name.startswith(ELSEWHERE)
    ]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    assert [target for target in links(prose(page)) if not leads_somewhere(page, target)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page: str) -> None:
    assert [name for name in named_files(prose(page)) if name not in FILES] == []


def test_a_lost_link_and_a_lost_file_are_found() -> None:
    text = "[a](README.md#commands) [b](docs/gone.md) `docs/gone.py` `ENV/x.json` `ray/a.py`"

    assert [leads_somewhere("README.md", target) for target in links(text)] == [True, False]
    assert named_files(text) == ["docs/gone.py"]
