"""The pages: links lead somewhere, and the files and commands that they name exist."""

import os
import re
from collections.abc import Iterator
from inspect import signature
from pathlib import PurePosixPath

import pytest

from tasks import namespace
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
# Code: a block with a fence or four spaces before it, or what is in backticks.
CODE = re.compile(
    r"^( *)```\w*$(?P<fenced>.*?)^\1```$|^ {4}(?P<block>[^\n]+)$|`(?P<span>[^`]+)`",
    re.MULTILINE | re.DOTALL,
)
# A command with its options, up to what is another command's or another program's.
COMMAND = re.compile(r"(?:\binvoke|\./run\.sh)\s+([a-z][a-z.-]*)([^;|&)#\n]*)")
# The changelog names commands that were; `drill --list` takes that for the name of a drill.
NOW = [page for page in PAGES if page != "CHANGELOG.md"]
LISTS = {("drill", "list")}
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


def commands(text: str) -> Iterator[tuple[str, set[str]]]:
    """Yield the commands in a page's code, each with its options."""
    for code in CODE.finditer(text):
        for name, rest in COMMAND.findall(next(filter(None, code.groups()[1:]), "")):
            ours = rest.partition(" -- ")[0]  # what follows is the job's
            yield name, set(re.findall(r"(?<!\S)--([a-z][a-z-]*)", ours)) - {"help"}


def unknown(text: str) -> list[str]:
    """Return the commands of a page that are none, and options that they have not."""
    wrong = []
    for name, options in commands(text):
        if name not in TASKS:
            wrong.append(name)
        wrong += [f"{name} --{one}" for one in options - TASKS.get(name, options)]
    return [one for one in wrong if tuple(one.split(" --")) not in LISTS]


def options_of(name: str) -> set[str]:
    return {one.strip("_").replace("_", "-") for one in signature(namespace[name].body).parameters}


# By every name that invoke takes: a collection's default task has the collection's too.
TASKS = {
    name: options_of(task)
    for task in namespace.task_names
    for name in (task, *namespace.task_names[task])
}


@pytest.mark.parametrize("page", NOW)
def test_every_command_that_a_page_names_exists_with_its_options(page: str) -> None:
    assert unknown((ROOT / page).read_text("utf-8")) == []


def test_a_lost_command_and_a_lost_option_are_found() -> None:
    text = """`invoke deploy --env dev --gone`, not invoke a function
    ./run.sh gone   # then invoke images.prune --help
```sh
invoke job.submit --env prod -- train --epochs 3
invoke images.lost
```"""

    assert unknown(text) == ["deploy --gone", "gone", "images.lost"]


def test_the_readme_says_which_commands_take_an_environment() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    said = text.partition("Each takes `--env NAME`")[2].partition("`--help`")[0]
    but, _, no_default = said.partition("`test`")
    named = set(re.findall(r"`([a-z.*]+)`", but)) - {"local"}
    without = {name for name in namespace.task_names if "env" not in options_of(name)}
    empty = {
        name
        for name in namespace.task_names
        if name not in without and signature(namespace[name].body).parameters["env"].default == ""
    }

    assert named == {re.sub(r"^cloud\..*", "cloud.*", name) for name in without}
    assert empty == {"test", "lock"}
    assert "and `lock` have no default" in no_default


def test_a_lost_link_and_a_lost_file_are_found() -> None:
    text = "[a](README.md#commands) [b](docs/gone.md) `docs/gone.py` `ENV/x.json` `ray/a.py`"

    assert [leads_somewhere("README.md", target) for target in links(text)] == [True, False]
    assert named_files(text) == ["docs/gone.py"]
