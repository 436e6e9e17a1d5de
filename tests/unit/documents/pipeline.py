"""A pipeline in this process: moto, a parser and a model that need nothing, a client that dies."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

from documents.access import Access
from documents.answering import Answerer
from documents.attempt import Outcome, Work
from documents.chunking import Spans
from documents.control.claims import Claims
from documents.control.listing import Listing
from documents.control.records import Audit, Metrics
from documents.control.vector_sets import VectorSets
from documents.errors import ParserLost, Unreadable
from documents.identity import ObjectRef
from documents.ingest import ingest
from documents.parsing.section import Section
from documents.providers.interfaces import Vector
from documents.providers.s3vectors_index import S3VectorsIndex
from documents.queue import Queue
from documents.settings import Settings, load_settings
from documents.source import Source
from documents.sweep import Swept, sweep
from documents.texts import Texts
from tests.unit.documents.conftest import Clients, SetClock

QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/documents"
DIMENSION = 64


class Killed(BaseException):
    """The process died here."""


class HashedWords:
    """Texts that share words are near each other."""

    dimension = DIMENSION

    def __init__(self, tokens: int = 0) -> None:
        self.tokens = tokens

    def count(self, texts: list[str]) -> int:
        return self.tokens * len(texts)

    def embed(self, texts: list[str]) -> list[Vector]:
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Vector:
        vector = [0.0] * DIMENSION
        for word in re.findall(r"\w+", text.lower()):
            vector[crc32(word.encode()) % DIMENSION] += 1
        length = math.hypot(*vector) or 1.0
        return [number / length for number in vector]


class PlainParser:
    """Text with form feeds between pages; some first words make it fail."""

    def sections(self, path: Path, name: str) -> Iterator[Section]:
        text = path.read_text()
        if text.startswith("encrypted"):
            raise Unreadable("encrypted: it opens only with a password")
        if text.startswith("crash"):
            raise ParserLost("its parser crashed (SIGSEGV)")
        if text.startswith("bug"):
            raise KeyError("bug")
        yield from (Section(at, "", page) for at, page in enumerate(text.split("\f"), 1))

    def stop(self) -> None:
        pass


@dataclass
class Mortal:
    """Clients of a process that dies before or after one call, or never.

    With ``error``, that call answers with it, and the process lives on.
    """

    aws: Clients
    dies_at: int = 0
    after: bool = False
    calls: int = 0
    dead: bool = False
    error: Exception | None = None

    def __call__(self, service: str) -> Any:
        return _Watched(self, self.aws(service))

    def call(self, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        self.calls += 1
        if self.error:
            if self.calls == self.dies_at:
                raise self.error
            return function(**arguments)
        if self.dead or (self.calls == self.dies_at and not self.after):
            self.dead = True
            raise Killed
        dies = self.calls == self.dies_at
        try:
            return function(**arguments)
        finally:
            if dies:
                self.dead = True
                raise Killed  # whatever was answered, no one hears it


class _Watched:
    def __init__(self, mortal: Mortal, client: Any) -> None:
        self._mortal, self._client = mortal, client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name in ("exceptions", "get_paginator"):
            return found
        return lambda **arguments: self._mortal.call(found, arguments)


def settings(**others: Any) -> Settings:
    values = {
        "region": "us-east-1",
        "bucket": "bucket",
        "queue_url": QUEUE,
        "control_table": "control",
        "audit_table": "audit",
        "metrics_table": "metrics",
        "vector_bucket": "vectors",
        "chunk_tokens": 20,
        "chunk_overlap": 0,
        "batch_chunks": 2,
        "claim_seconds": 60,
        **others,
    }
    return load_settings(
        {f"DOCUMENTS_{name.upper()}": str(value) for name, value in values.items()}
    )


def words(text: str) -> Spans:
    return [match.span() for match in re.finditer(r"\S+", text)]


@dataclass
class Pipeline:
    """Objects, and workers that look at them."""

    aws: Clients
    clock: SetClock
    settings: Settings = field(default_factory=settings)
    embeddings: HashedWords = field(default_factory=HashedWords)

    def access(self, clients: Clients | None = None) -> Access:
        aws, chosen = clients or self.aws, self.settings
        dynamodb = aws("dynamodb")
        return Access(
            Claims(dynamodb, "control", self.clock, chosen.claim_seconds),
            VectorSets(dynamodb, "control", self.clock),
            Listing(dynamodb, "control"),
            Audit(dynamodb, "audit", self.clock, chosen.audit_days),
            Metrics(dynamodb, "metrics", self.clock),
            Source(aws("s3"), chosen.max_bytes),
            Queue(aws("sqs"), QUEUE),
            Texts(aws("s3"), "bucket"),
        )

    def index(self, clients: Clients | None = None) -> S3VectorsIndex:
        return S3VectorsIndex((clients or self.aws)("s3vectors"), "vectors", "documents")

    def work(self, clients: Clients | None = None) -> Work:
        found = self.access(clients)
        return Work(
            "worker",
            self.settings,
            found.claims,
            found.sets,
            found.audit,
            found.metrics,
            found.source,
            PlainParser(),  # type: ignore[arg-type] # has what ingestion calls
            words,
            self.embeddings,  # type: ignore[arg-type] # lists in place of sequences
            self.index(clients),
            found.texts,
            self.clock.now,
        )

    def put(self, key: str, text: str) -> ObjectRef:
        self.aws("s3").put_object(Bucket="bucket", Key=f"input/{key}", Body=text.encode())
        return ObjectRef("bucket", f"input/{key}")

    def delete(self, key: str) -> ObjectRef:
        self.aws("s3").delete_object(Bucket="bucket", Key=f"input/{key}")
        return ObjectRef("bucket", f"input/{key}")

    def ingest(self, ref: ObjectRef, clients: Clients | None = None) -> Outcome:
        return ingest(self.work(clients), ref, lambda claim: None)

    def add(self, key: str, text: str) -> Outcome:
        return self.ingest(self.put(key, text))

    def sweep(self) -> Swept:
        from datetime import UTC, datetime

        now = datetime.fromtimestamp(self.clock.now(), UTC)
        return sweep(self.access(), self.index(), self.settings, now)

    def answerer(self) -> Answerer:
        found = self.access()
        return Answerer(
            self.settings,
            self.embeddings,  # type: ignore[arg-type] # lists in place of sequences
            self.index(),
            found.sets,
            found.metrics,
            None,  # type: ignore[arg-type] # only passages are asked for
        )

    def found(self, question: str) -> list[tuple[tuple[str, ...], int, str]]:
        """Return the sources, page and text of the passages for a question."""
        return [(one.sources, one.page, one.text) for one in self.answerer().passages(question, 10)]

    def texts(self, question: str) -> set[str]:
        return {text for _, _, text in self.found(question)}

    def record(self, key: str) -> dict[str, Any]:
        return self.access().claims.find(ObjectRef("bucket", f"input/{key}")) or {}

    def vectors(self) -> int:
        """Return how many vectors the index holds, whether they serve or not."""
        names = {"vectorBucketName": "vectors", "indexName": "documents"}
        return len(self.aws("s3vectors").list_vectors(**names)["vectors"])

    def keys(self, prefix: str) -> set[str]:
        listed = self.aws("s3").list_objects_v2(Bucket="bucket", Prefix=prefix)
        return {one["Key"] for one in listed.get("Contents", ())}
