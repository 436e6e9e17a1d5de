"""Measure how soon a page is answered from, and how long a question takes.

    $(.venv/bin/python -m commands.documents_runtime | head -1) -m tests.bench.answers

One worker process, moto in this one. A question is embedding it, searching the index and reading
the control table; each is measured apart, since the search here is moto's: exact, in Python, and so
in proportion to the chunks, which Amazon's is not.
"""

import argparse
import logging
import os
import random
import subprocess
import sys
import time
from itertools import islice, pairwise

from commands.documents_runtime import model_folder
from common import checkout
from common.checkout import REPOSITORY
from common.clients import Clients
from documents.access import access
from documents.providers import choose
from documents.providers.interfaces import Stored
from documents.settings import load_settings
from tests.bench.documents import CREDENTIALS, SECONDS, document
from tests.bench.figures import show
from tests.documents.cloud import PipelineCloud, cloud

DOCUMENT = "bench"
AT_ONCE = 500


def add_to_answerable(aws: PipelineCloud, count: int) -> list[float]:
    """Return the milliseconds from a one-page PDF's upload until it is DONE, one at a time."""
    command = [sys.executable, "-m", "tests.documents.work_on", "bench"]
    worker = subprocess.Popen(
        command, cwd=REPOSITORY, env={**aws.variables, "PYTHONPATH": str(REPOSITORY)}
    )
    try:
        aws.put("warm.pdf", document(-1, 1))
        aws.wait({"warm.pdf": "DONE"}, SECONDS)
        return [_added(aws, number) for number in range(count)]
    finally:
        worker.kill()
        worker.wait()


def _added(aws: PipelineCloud, number: int) -> float:
    name, content = f"page-{number}.pdf", document(number, 1)
    began = time.perf_counter()
    aws.put(name, content)
    while aws.statuses().get(name) != "DONE":
        time.sleep(0.01)
    return (time.perf_counter() - began) * 1000


def fill(chunks: int, there: int) -> None:
    """Write vectors at random up to so many chunks."""
    settings = load_settings()
    index, chance = choose.index(settings, Clients(settings.region)), random.Random(there)  # noqa: S311 # nothing secret
    numbers = iter(range(there, chunks))
    while batch := list(islice(numbers, AT_ONCE)):
        index.put(
            [
                (
                    Stored(DOCUMENT, number, DOCUMENT, 1, "", f"text {number}"),
                    [chance.gauss(0, 1) for _ in range(384)],
                )
                for number in batch
            ]
        )


def ask(chunks: int, count: int) -> None:
    """Print how long each part of a question takes."""
    settings = load_settings()
    clients = Clients(settings.region)
    embeddings, index = choose.embeddings(settings), choose.index(settings, clients)
    sets, parts = access(settings, clients).sets, dict[str, list[float]]()
    documents = [f"{DOCUMENT}-{number}" for number in range(25)]
    for number in range(count):
        marks = [time.perf_counter()]
        (vector,) = embeddings.embed([f"What does page {number} say of the tower?"])
        marks.append(time.perf_counter())
        index.search(vector, 25)
        marks.append(time.perf_counter())
        sets.serving(documents)
        marks.append(time.perf_counter())
        took = [(later - at) * 1000 for at, later in pairwise(marks)]
        for name, value in zip(("embed", "search", "read", "all"), [*took, sum(took)], strict=True):
            parts.setdefault(name, []).append(value)
    for name, values in parts.items():
        show(f"ask at {chunks} chunks, {name}", values)


def main() -> None:
    """Measure, smallest index first."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pages", type=int, default=30)
    options.add_argument("--questions", type=int, default=30)
    options.add_argument("--chunks", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    chosen = options.parse_args()
    os.environ.update(CREDENTIALS)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with cloud(model_folder(checkout.cache())) as aws:
        os.environ.update(aws.variables)
        show("add to answerable, one page", add_to_answerable(aws, chosen.pages))
        there = 0
        for chunks in sorted(chosen.chunks):
            fill(chunks, there)
            there = chunks
            ask(chunks, chosen.questions)


if __name__ == "__main__":
    main()
