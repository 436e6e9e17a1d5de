"""Tasks documents.*: add documents, ask about them, bring back what failed, measure answers."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import (
    DEFAULT_ENV,
    ENV,
    JSON,
    YES,
    Count,
    approve,
    clients_of,
    environment_at,
)
from common.started import as_started

if TYPE_CHECKING:
    from common.environment import Environment
    from common.progress import Lines
    from deploy.documents.local_files import LocalFile
    from deploy.documents.pipeline import Pipeline
    from deploy.documents.question import Answer, Api
    from deploy.documents.upload import Sent
    from deploy.documents.watch import Ended
    from documents.quality.evaluate import Score
    from documents.quality.facts import Question

PASSAGES = Count(5)
DOCUMENTS = Count(60)


@task(
    iterable=["file"],
    help={
        "file": "a file, a folder, or s3://BUCKET/PREFIX; words without an option are files too",
        "env": ENV,
        "wait": "wait until each document is answered from, or failed",
    },
)
def add(c: Context, file: list[str], env: str = DEFAULT_ENV, wait: bool = True) -> None:
    """Add documents: FILE FOLDER s3://…; show each one's way, or why it failed."""
    with plain_errors():
        add_documents(environment_at(env), file, wait)


def add_documents(environment: "Environment", paths: Sequence[str], wait: bool) -> None:
    """Check files, upload them, and watch them; raises PipelineError when one has failed."""
    from deploy.documents.pipeline import find_pipeline
    from deploy.documents.upload import find_files, upload
    from deploy.report.console import console, live_lines

    clients = clients_of(environment)
    pipeline = find_pipeline(clients, environment)
    files, left_out = find_files(clients("s3"), paths, pipeline.settings.max_bytes)
    for name in left_out:
        console.print(f"left out, as the pipeline does not read it: {name}", markup=False)
    with live_lines() as lines:
        sent = upload(clients("s3"), pipeline.bucket, files, lines)
        if wait and not pipeline.paused:
            check(watched(pipeline, sent, lines))
            return
    console.print(f"{len(sent)} uploaded, {sum(file.size for file in files) / 2**20:.1f} MiB")
    if pipeline.paused:
        words = "The pipeline is paused: invoke documents.resume, and it takes them in."
        console.print(as_started(words))


def watched(pipeline: "Pipeline", sent: "Sequence[Sent]", lines: "Lines") -> "Ended":
    """Watch documents until each has ended."""
    from common.waiting import SystemClock
    from deploy.documents.watch import Watch

    clients = clients_of(pipeline.environment)
    watch = Watch(pipeline.access(clients).listing, clients("s3"), SystemClock(), lines)
    return watch.run(sent)


def check(ended: "Ended") -> None:
    """Raise PipelineError when a document has failed."""
    from common.errors import PipelineError

    if ended.failed:
        count = len(ended.done) + len(ended.failed)
        raise PipelineError(
            f"{len(ended.failed)} of {count} documents failed: {', '.join(sorted(ended.failed))}",
            hint="correct them and add them again; invoke documents.retry tries them as they are",
        )


@task(
    positional=["question"],
    help={
        "question": "what to ask",
        "env": ENV,
        "passages": "how many passages to answer from (default: 5)",
        "json": JSON,
    },
)
def ask(
    c: Context,
    question: str,
    env: str = DEFAULT_ENV,
    passages: int = PASSAGES,
    json: bool = False,
) -> None:
    """Ask about the documents; print the answer with its sources."""
    with plain_errors():
        show_answer(environment_at(env), question, passages, json)


def show_answer(environment: "Environment", question: str, passages: int, as_json: bool) -> None:
    """Ask, and print the answer as it comes, then its sources."""
    from deploy.report.console import console, print_json

    api = api_of(environment)
    if as_json:
        print_json(api.ask(question, passages).as_dict())
        return

    def heard(piece: str) -> None:
        console.print(piece, end="", markup=False)

    show_sources(api.ask(question, passages, heard))


def api_of(environment: "Environment") -> "Api":
    """Return the API of the environment's pipeline; raises Refused while it is paused."""
    from deploy.documents.in_use import api_of_pipeline
    from deploy.documents.pipeline import usable_pipeline

    clients = clients_of(environment)
    return api_of_pipeline(clients, usable_pipeline(clients, environment))


def show_sources(answer: "Answer") -> None:
    """Print an answer's passages: documents, page, heading, score, text."""
    from deploy.report.console import console

    console.print()
    for number, passage in enumerate(answer.passages, 1):
        heading = f", {passage.heading}" if passage.heading else ""
        place = f"{', '.join(passage.sources)}, page {passage.page}{heading}"
        console.print(f"\n[{number}] {place} ({passage.score:.2f})", markup=False)
        console.print(f"    {' '.join(passage.text.split())}", markup=False)


@task(
    help={
        "name": "a document that failed; a word without an option is one too",
        "all": "bring back all that failed",
        "env": ENV,
        "wait": "wait until each document is answered from, or failed again",
    },
)
def retry(
    c: Context, name: str = "", all: bool = False, env: str = DEFAULT_ENV, wait: bool = True
) -> None:
    """Bring back a document that failed, or all; without either, list them."""
    with plain_errors():
        retry_documents(environment_at(env), name, all, wait)


def retry_documents(environment: "Environment", name: str, everything: bool, wait: bool) -> None:
    """List what failed, or bring it back and watch it."""
    from deploy.documents.failed import bring_back, failed_documents
    from deploy.documents.pipeline import find_pipeline
    from deploy.report.console import console, live_lines, show_table

    clients = clients_of(environment)
    pipeline = find_pipeline(clients, environment)
    failed = failed_documents(pipeline, clients)
    if not (name or everything):
        rows = [(one.name, one.at, one.reason) for one in failed]
        show_table("Failed", ("document", "since", "why"), rows)
        return
    sent = bring_back(pipeline, clients, failed, name)
    console.print(f"{len(sent)} of {len(failed)} that failed are back in input/")
    if wait and not pipeline.paused:
        with live_lines() as lines:
            check(watched(pipeline, sent, lines))


@task(
    help={
        "env": ENV,
        "documents": "how many documents to make (default: 60, with 380 questions)",
        "keep": "leave the documents in the pipeline",
        "json": JSON,
        "yes": YES,
    }
)
def evaluate(
    c: Context,
    env: str = DEFAULT_ENV,
    documents: int = DOCUMENTS,
    keep: bool = False,
    json: bool = False,
    yes: bool = False,
) -> None:
    """Measure answers: recall@5, MRR, the fact, the right page; with documents of known facts."""
    with plain_errors():
        evaluate_pipeline(environment_at(env), documents, keep, json, yes)


def evaluate_pipeline(
    environment: "Environment", count: int, keep: bool, as_json: bool, yes: bool
) -> None:
    """Say what is added and asked, ask, do it, print the scores, remove the documents."""
    from deploy.documents.evaluation import made_files, remove
    from deploy.documents.pipeline import find_pipeline
    from deploy.report.console import console, print_json, show_table
    from documents.quality.evaluate import Score

    api, clients = api_of(environment), clients_of(environment)
    pipeline = find_pipeline(clients, environment)
    with made_files(count) as (files, questions):
        approve(f"Add {len(files)} documents and ask {len(questions)} questions?", yes)
        try:
            found = measured(api, pipeline, files, questions)
        finally:
            removed = 0 if keep else remove(clients("s3"), pipeline.bucket)
    if as_json:
        print_json({name: asdict(score) for name, score in found.items()})
        return
    rows = [(name, *map(str, asdict(score).values())) for name, score in found.items()]
    show_table("Answers", ("of", *(one.name for one in fields(Score))), rows)
    if removed:
        console.print(f"{removed} documents were removed again")


def measured(
    api: "Api", pipeline: "Pipeline", files: "Sequence[LocalFile]", questions: "Sequence[Question]"
) -> "dict[str, Score]":
    """Add the documents, wait for them, and ask; raises PipelineError when one fails."""
    from deploy.documents.evaluation import scores
    from deploy.documents.upload import upload
    from deploy.report.console import live_lines

    s3 = clients_of(pipeline.environment)("s3")
    with live_lines() as lines:
        check(watched(pipeline, upload(s3, pipeline.bucket, files, lines), lines))
        return scores(
            questions,
            lambda text, count: api.ask(text, count).passages,
            lambda words: lines.say("questions", words),
        )
