"""Measure a deployed pipeline's answers with documents of known facts. Touches S3 and the API.

The documents are added below ``evaluation/``, beside those of the pipeline's users, which are
distractors, and removed afterwards.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from common.clients import translated
from deploy.documents.local_files import LocalFile
from documents.identity import INPUT
from documents.providers.interfaces import Passage
from documents.quality.evaluate import AT, Score, evaluate
from documents.quality.facts import Question, make_documents

FOLDER = "evaluation"
# DeleteObjects takes up to 1000 keys.
AT_ONCE = 1000


@contextmanager
def made_files(count: int) -> Iterator[tuple[list[LocalFile], list[Question]]]:
    """Make so many documents, in a folder that goes with the block, and questions about them."""
    files, questions = list[LocalFile](), list[Question]()
    with TemporaryDirectory(prefix="evaluation-") as folder:
        for made in make_documents(count):
            path, name = Path(folder, made.name), f"{FOLDER}/{made.name}"
            path.write_bytes(made.content)
            files.append(LocalFile(path, name, len(made.content)))
            questions += [replace(question, document=name) for question in made.questions]
        yield files, questions


def scores(
    questions: Sequence[Question],
    ask: Callable[[str, int], Sequence[Passage]],
    said: Callable[[str], None],
) -> dict[str, Score]:
    """Ask each question; return the scores of all, of each language, and of tables."""
    asked = 0

    def one(text: str) -> list[Passage]:
        nonlocal asked
        asked += 1
        said(f"question {asked} of {len(questions)}")
        return list(ask(text, AT))

    return evaluate(questions, one)


def remove(s3: Any, bucket: str) -> int:
    """Remove the documents of evaluations from the bucket; the pipeline follows. Return how many.

    Versions stay for as long as the bucket's lifecycle keeps them.
    """
    removed = 0
    with translated("removing the documents of the evaluation"):
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=f"{INPUT}{FOLDER}/", PaginationConfig={"PageSize": AT_ONCE}
        )
        for page in pages:
            keys = [{"Key": one["Key"]} for one in page.get("Contents", ())]
            if keys:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            removed += len(keys)
    return removed
