"""The runbooks name existing tasks, and quote messages as the code has them."""

import re
from pathlib import Path

import pytest

from common.checkout import REPOSITORY
from tasks import namespace

PAGES = sorted((REPOSITORY / "docs/runbooks").glob("*.md"))
TASK = re.compile(r"(?:`|^    )invoke ([a-z][a-z.-]*)", re.MULTILINE)
PARTS = re.compile(r"^\*\*(What is|What it is|How to see|What to do)", re.MULTILINE)
QUOTE = re.compile(r'"([^"…]+)"')


def quoted_messages(page: Path) -> set[str]:
    """Return what the first column of a page's tables quotes."""
    rows = [line for line in page.read_text().splitlines() if line.startswith("|")]
    return {quote for row in rows for quote in QUOTE.findall(row.split("|")[1])}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_runs_only_tasks_that_exist(page: Path) -> None:
    names = set(TASK.findall(page.read_text()))

    assert names
    assert names <= {*namespace.task_names, *namespace.collections}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_quotes_messages_of_the_code(page: Path) -> None:
    code = "".join(path.read_text() for path in (REPOSITORY / "deploy").rglob("*.py"))

    assert [quote for quote in quoted_messages(page) if quote not in code] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_says_what_is_wrong_how_to_see_it_and_what_to_do_in_this_order(
    page: Path,
) -> None:
    what, see, do = PARTS.findall(page.read_text())

    assert what in ("What is", "What it is")
    assert (see, do) == ("How to see", "What to do")
