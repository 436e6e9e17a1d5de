"""Watching documents: each one's way, how it ended, and what keeps it waiting."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from common.errors import TimedOut
from deploy.documents.local_files import LocalFile
from deploy.documents.upload import Sent, upload
from deploy.documents.watch import Watch
from documents.errors import Unavailable
from documents.identity import ObjectRef
from documents.sweep import retry
from tests.unit.documents.conftest import Clients, SetClock
from tests.unit.documents.pipeline import Pipeline


@dataclass
class Heard:
    """Lines that remember what was said; see common.progress.Lines."""

    said: list[str] = field(default_factory=list)
    ended: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def say(self, line: str, words: str) -> None:
        self.said.append(f"{line}: {words}")

    def end(self, line: str, outcome: str, *, failed: bool = False) -> None:
        self.ended[line] = (outcome, failed)


@dataclass
class Meanwhile(SetClock):
    """A clock that does one thing in each sleep, while there is any."""

    todo: list[Callable[[], object]] = field(default_factory=list)
    time: float = 1_795_953_600.0

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.todo:
            self.todo.pop(0)()


@pytest.fixture
def clock() -> Meanwhile:
    return Meanwhile()


@pytest.fixture
def pipeline(aws: Clients, clock: Meanwhile) -> Pipeline:
    return Pipeline(aws, clock)


@pytest.fixture
def lines() -> Heard:
    return Heard()


@pytest.fixture
def watch(aws: Clients, pipeline: Pipeline, clock: Meanwhile, lines: Heard) -> Watch:
    return Watch(pipeline.access().listing, aws("s3"), clock, lines)


def put(aws: Clients, tmp_path: Path, lines: Heard, **texts: str) -> list[Sent]:
    """Upload texts as the command does."""
    files = []
    for name, text in texts.items():
        path = tmp_path / f"{name}.txt"
        path.write_text(text)
        files.append(LocalFile(path, path.name, len(text)))
    return upload(aws("s3"), "bucket", files, lines)


def test_each_document_is_watched_to_its_end(
    aws: Clients, pipeline: Pipeline, clock: Meanwhile, watch: Watch, lines: Heard, tmp_path: Path
) -> None:
    sent = put(aws, tmp_path, lines, good="page one\fpage two", bad="encrypted")
    clock.todo = [lambda: pipeline.ingest(sent[0].ref), lambda: pipeline.ingest(sent[1].ref)]

    ended = watch.run(sent)

    assert ended.done == {"good.txt": "done: 2 pages, 2 chunks"}
    assert ended.failed == {"bad.txt": "encrypted: it opens only with a password"}
    assert lines.ended["good.txt"] == ("done: 2 pages, 2 chunks", False)
    assert lines.ended["bad.txt"] == ("encrypted: it opens only with a password", True)
    assert lines.said[0] == "good.txt: uploading"
    assert "good.txt: uploaded" in lines.said


def test_what_was_there_before_is_not_taken_for_the_end(
    aws: Clients, pipeline: Pipeline, clock: Meanwhile, watch: Watch, lines: Heard, tmp_path: Path
) -> None:
    pipeline.add("a.txt", "the old text")
    (sent,) = put(aws, tmp_path, lines, a="encrypted")
    clock.todo = [lambda: None, lambda: None, lambda: pipeline.ingest(sent.ref)]

    ended = watch.run([sent])

    assert ended.failed == {"a.txt": "encrypted: it opens only with a password"}


def test_a_document_that_another_replaced_is_not_waited_for(
    aws: Clients, pipeline: Pipeline, clock: Meanwhile, watch: Watch, lines: Heard, tmp_path: Path
) -> None:
    sent = put(aws, tmp_path, lines, a="mine", b="mine too")
    clock.todo = [
        lambda: pipeline.add("a.txt", "theirs"),
        lambda: pipeline.ingest(pipeline.delete("b.txt")),
    ]

    ended = watch.run(sent)

    assert ended.done == {}
    assert set(ended.failed.values()) == {"another version has replaced it, or it was removed"}


def test_what_a_document_waits_for_is_said(
    aws: Clients,
    pipeline: Pipeline,
    clock: Meanwhile,
    watch: Watch,
    lines: Heard,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unavailable(texts: list[str]) -> list[list[float]]:
        raise Unavailable("OpenAI answered 429")

    (sent,) = put(aws, tmp_path, lines, a="text")
    with monkeypatch.context() as patch:
        patch.setattr(pipeline.embeddings, "embed", unavailable)
        pipeline.ingest(sent.ref)
    clock.todo = [lambda: pipeline.ingest(sent.ref)]

    assert watch.run([sent]).done == {"a.txt": "done: 1 pages, 1 chunks"}
    assert "a.txt: parsed, waiting: OpenAI answered 429" in lines.said


def test_the_wait_ends_when_nothing_changes(
    aws: Clients, clock: Meanwhile, watch: Watch, lines: Heard, tmp_path: Path
) -> None:
    sent = put(aws, tmp_path, lines, a="text")
    began = clock.now()

    with pytest.raises(TimedOut, match="1 uploaded") as caught:
        watch.run(sent, patience=30)

    assert 30 <= clock.now() - began <= 35
    assert "the pipeline goes on" in caught.value.hint


def test_a_long_document_is_waited_for_while_its_worker_lives(
    aws: Clients, pipeline: Pipeline, clock: Meanwhile, watch: Watch, lines: Heard, tmp_path: Path
) -> None:
    (sent,) = put(aws, tmp_path, lines, a="text")
    claims = pipeline.access().claims
    claim = claims.take(sent.ref)
    assert claim
    clock.todo = [lambda: claims.renew(claim)] * 90
    clock.todo += [lambda: claims.release(claim, "", counted=False)]
    clock.todo += [lambda: pipeline.ingest(sent.ref)]

    assert watch.run([sent], patience=30).failed == {}


def test_many_documents_have_one_line(
    aws: Clients,
    pipeline: Pipeline,
    clock: Meanwhile,
    watch: Watch,
    lines: Heard,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("deploy.documents.watch.LISTED", 2)
    sent = put(aws, tmp_path, lines, a="text a", b="encrypted", c="text c")
    clock.todo = [lambda one=one: pipeline.ingest(one.ref) for one in sent]  # type: ignore[misc] # bound now

    ended = watch.run(sent)

    assert (len(ended.done), list(ended.failed)) == (2, ["b.txt"])
    assert "documents: 2 uploaded, 1 done" in lines.said
    assert lines.ended == {
        "b.txt": ("encrypted: it opens only with a password", True),
        "documents": ("2 done, 1 failed", False),
    }


def test_what_is_brought_back_is_watched_by_its_new_version(
    aws: Clients, pipeline: Pipeline, clock: Meanwhile, watch: Watch, lines: Heard, tmp_path: Path
) -> None:
    (sent,) = put(aws, tmp_path, lines, a="encrypted")
    pipeline.ingest(sent.ref)
    moved = retry(pipeline.access(), "a person", "a.txt")
    again = [Sent(ref, version) for ref, version in moved.items()]
    clock.todo = [lambda: None, lambda: pipeline.ingest(sent.ref)]

    assert watch.run(again).failed == {"a.txt": "encrypted: it opens only with a password"}
    assert again != [sent]


def test_a_big_file_is_sent_in_parts_and_its_progress_said(
    aws: Clients, tmp_path: Path, lines: Heard
) -> None:
    path = tmp_path / "big.txt"
    path.write_bytes(b"x" * (17 * 2**20))

    (sent,) = upload(aws("s3"), "bucket", [LocalFile(path, "big.txt", 17 * 2**20)], lines)

    found = aws("s3").head_object(Bucket="bucket", Key="input/big.txt")
    assert (found["ContentLength"], found["VersionId"]) == (17 * 2**20, sent.version)
    assert sent.ref == ObjectRef("bucket", "input/big.txt")
    assert "big.txt: uploading, 17.0 of 17.0 MiB" in lines.said
    assert lines.said[-1] == "big.txt: uploaded"
