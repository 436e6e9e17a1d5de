"""A worker's memory is bounded, whether by one long document or by many short ones."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.checkout import REPOSITORY
from documents.quality.plain_pdf import plain_pdf
from tests.documents.cloud import PipelineCloud, cloud

PAGES = 5000
THOROUGH = bool(os.environ.get("RAYKILN_THOROUGH"))
FILES = 10_000 if THOROUGH else 80
MORE = 32 * 1024  # KiB above what a few documents take


@pytest.fixture(scope="module")
def aws(model: Path) -> Iterator[PipelineCloud]:
    with cloud(model) as found:
        yield found


def drained(aws: PipelineCloud) -> int:
    """Let a new process work through the queue; return the KiB that it had at most."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.documents.drain"],
        cwd=REPOSITORY,
        env={**aws.variables, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.fixture(scope="module")
def few(aws: PipelineCloud) -> int:
    """The KiB that a few documents take."""
    for number in range(5):
        aws.put(f"few-{number}.pdf", plain_pdf([f"Document {number}, page {n}." for n in range(8)]))
    return drained(aws)


def test_a_document_of_five_thousand_pages(aws: PipelineCloud, few: int) -> None:
    aws.put("long.pdf", plain_pdf([f"Page {number}." for number in range(1, PAGES + 1)]))

    most = drained(aws)

    print(f"few documents {few // 1024} MiB, {PAGES} pages {most // 1024} MiB")
    aws.wait({"long.pdf": "DONE"}, seconds=1)
    assert most - few < MORE


@pytest.mark.thorough
def test_many_small_files(aws: PipelineCloud, few: int) -> None:
    names = [f"small-{number}.txt" for number in range(FILES)]
    for name in names:
        aws.put(name, f"The file {name} says so.".encode())

    most = drained(aws)

    print(f"few documents {few // 1024} MiB, {FILES} files {most // 1024} MiB")
    aws.wait(dict.fromkeys(names, "DONE"), seconds=1)
    assert most - few < MORE
