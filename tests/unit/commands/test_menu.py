"""Words after a task that takes files are its files; everything else is as invoke has it."""

import pytest
from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from commands.__main__ import as_options
from tasks import namespace


@pytest.mark.parametrize(
    ("typed", "parsed"),
    [
        ("documents.add a.pdf b/", "documents.add --file a.pdf --file b/"),
        ("documents.add a.pdf --env prod b", "documents.add --file a.pdf --env prod --file b"),
        ("documents.add -e prod a --no-wait", "documents.add -e prod --file a --no-wait"),
        ("documents.add --no-wait a", "documents.add --no-wait --file a"),
        ("documents.add --env=prod a", "documents.add --env=prod --file a"),
        ("documents.add --file a b", "documents.add --file a --file b"),
        ("documents.retry a.pdf", "documents.retry --name a.pdf"),
        ("documents.retry --all", "documents.retry --all"),
        ("images.compare ami-1 ami-2", "images.compare --ami ami-1 --ami ami-2"),
        ("images.compare --env prod --strict", "images.compare --env prod --strict"),
        ("probe dry_run --yes", "probe --name dry_run --yes"),
        ("head.shell --id documents.add", "head.shell --id documents.add"),
        ("deploy --env prod status", "deploy --env prod status"),
    ],
)
def test_words_are_options(typed: str, parsed: str) -> None:
    assert " ".join(as_options(typed.split(), namespace)) == parsed


@task(iterable=["file"], help={"file": "a file"})
def add(c: Context, file: list[str]) -> None:
    """A task of the same name."""


def test_help_is_still_there_after_it() -> None:
    as_options(["documents.add", "a"], Collection(documents=Collection(add)))

    assert add.help == {"file": "a file"}
