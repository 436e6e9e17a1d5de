"""A document all the way through a pipeline: uploaded, answered from, removed. Touches AWS.

The test document is below ``input/verify/``; it is removed afterwards, with all its
versions, however the checks end, and so is that of a run that was killed.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from common.clients import Clients, translated
from common.errors import Refused, Unhealthy
from common.progress import Say
from common.waiting import Clock
from deploy.documents.in_use import api_of_pipeline, await_in_use
from deploy.documents.pipeline import Pipeline, plainly
from deploy.release.config_bucket import remove_documents
from deploy.verify.check import Check, Verdict, check
from documents.control.claims import DONE, FAILED, RECEIVED
from documents.control.vector_sets import REMOVED
from documents.identity import INPUT, ObjectRef

FOLDER = f"{INPUT}verify/"
DOCUMENT_SECONDS = 300.0  # the first document of a worker that has just started takes longest
TURN_SECONDS = 60.0  # how long it waits for its turn, where others do get theirs
LEFT_BEHIND = timedelta(hours=1)
PASSAGES = 20


@dataclass
class Document:
    """The document of one run: what it says is in no other."""

    bucket: str
    name: str = field(default_factory=lambda: secrets.token_hex(6))

    @property
    def ref(self) -> ObjectRef:
        """Its object."""
        return ObjectRef(self.bucket, f"{FOLDER}{self.name}.txt")

    @property
    def text(self) -> str:
        """What it says, and the question that it answers."""
        return f"The tower of verification {self.name} was measured by its keeper."


@dataclass
class DocumentChecks:
    """The checks of one document's way."""

    pipeline: Pipeline
    clients: Clients
    clock: Clock
    progress: Say
    _waits: bool = False  # whether it still waits behind others, which are taken

    def run(self) -> Iterator[Check]:
        """Upload a document, find it, remove it.

        Where it waits behind others for its turn, the pipeline is seen to work by what became of
        those in the meantime, and this one is removed unread.
        """
        document = Document(self.pipeline.bucket)
        with self._removing(document):
            yield self._check("upload", lambda: self._uploaded(document))
            begun = self.clock.now()
            yield self._check("document", lambda: self._indexed(document, begun), DOCUMENT_SECONDS)
            if self._waits:
                return
            yield self._check("answer", lambda: self._answers(document, True))
        yield self._check("removal", lambda: self._removed(document), DOCUMENT_SECONDS)
        yield self._check("no answer", lambda: self._answers(document, False))

    def _check(self, name: str, look: Callable[[], Verdict], seconds: float = 0.0) -> Check:
        return check(name, look, clock=self.clock, timeout=seconds, progress=self.progress)

    def _uploaded(self, document: Document) -> Verdict:
        key = document.ref.key
        with translated(f"uploading {key}"):
            body = document.text.encode()
            self.clients("s3").put_object(Bucket=document.bucket, Key=key, Body=body)
        return Verdict(True, key)

    def _indexed(self, document: Document, begun: float) -> Verdict:
        record = self._record(document)
        status = record.get("status", "not recorded yet")
        if status == RECEIVED and self.clock.now() - begun >= TURN_SECONDS:
            done = self._done_since(str(record["updated_at"]))
            self._waits = done > 0
            if self._waits:
                return Verdict(True, f"waits behind others, of which {done} were done meanwhile")
        why = record.get("reason") if status == FAILED else record.get("waiting")
        return Verdict(status == DONE, f"{status}: {why}" if why else str(status))

    def _done_since(self, time: str) -> int:
        with plainly("reading the control table"):
            return self.pipeline.access(self.clients).listing.count(DONE, since=time)

    def _answers(self, document: Document, wanted: bool) -> Verdict:
        api = api_of_pipeline(self.clients, self.pipeline)
        try:
            passages = api.ask(document.text, PASSAGES).passages
        except Refused as refusal:
            # So an empty index answers, which the removal of the only document leaves.
            return Verdict(not wanted, refusal.message)
        name = document.ref.name
        places = [at for at, one in enumerate(passages, 1) if name in one.sources]
        words = f"passage {places[0]} of {len(passages)}" if places else "not among the passages"
        return Verdict(bool(places) == wanted, words)

    def _removed(self, document: Document) -> Verdict:
        status = self._record(document).get("status", "no record")
        return Verdict(status in (REMOVED, "no record"), str(status))

    def _record(self, document: Document) -> dict[str, Any]:
        with plainly("reading the control table"):
            return self.pipeline.access(self.clients).claims.find(document.ref) or {}

    @contextmanager
    def _removing(self, document: Document) -> Iterator[None]:
        try:
            yield
        finally:
            try:
                for key in self._left_behind(document):
                    remove_documents(self.clients, document.bucket, key)
            finally:
                remove_documents(self.clients, document.bucket, document.ref.key)

    def _left_behind(self, document: Document) -> list[str]:
        """Return the keys of runs that were killed: what is an hour older than this document."""
        with translated(f"listing s3://{document.bucket}/{FOLDER}"):
            listed = self.clients("s3").list_objects_v2(Bucket=document.bucket, Prefix=FOLDER)
        times = {one["Key"]: one["LastModified"] for one in listed.get("Contents", [])}
        if document.ref.key not in times:
            return []
        past = times[document.ref.key] - LEFT_BEHIND
        return [key for key, time in times.items() if time < past]


def await_use(pipeline: Pipeline, clients: Clients, *, clock: Clock, progress: Say) -> str:
    """Wait until the pipeline is in use, and a document was answered from.

    Returns what was seen; raises Unhealthy when it was not in time, or a check of it failed.
    """
    in_use = await_in_use(pipeline, clients, clock=clock, progress=progress)
    checks = list(DocumentChecks(pipeline, clients, clock, progress).run())
    if failed := [one for one in checks if not one.passed]:
        seen = "; ".join(f"{one.name}: {one.seen}" for one in failed)
        raise Unhealthy(
            f"the test document did not go all the way: {seen}",
            hint="invoke documents.status",
        )
    found = {one.name: one for one in checks}
    if "answer" not in found:
        return f"{in_use}; a document {found['document'].seen}"
    return f"{in_use}; a document was answered from after {found['document'].seconds:.1f} s"
