"""One object's way: claimed, fetched, parsed, chunked, embedded, written, switched to.

Everything but the order is elsewhere. Each step may be the last that a worker does: the record, the
set of vectors and the message say what is left, and a further attempt begins anew.
"""

from collections.abc import Callable
from itertools import islice

from common.errors import PipelineError
from documents.attempt import Counts, Outcome, Work
from documents.chunking import Chunk, chunks
from documents.control.claims import DONE, EMBEDDED, FAILED, PARSED, Claim
from documents.control.vector_sets import REMOVED
from documents.errors import ClaimLost, ParserLost, Unavailable, Unreadable
from documents.identity import FAILED as FAILED_PREFIX
from documents.identity import ObjectRef, text_key
from documents.providers.interfaces import Stored
from documents.queue import LONGEST_WAIT
from documents.source import Fetched
from documents.texts import Transcript, transcript
from documents.vectors import delete_vectors

REMEMBERED_DAYS = 30
DAY = 86_400
BUSY = "another worker has it"


def ingest(work: Work, ref: ObjectRef, holding: Callable[[Claim], None]) -> Outcome:
    """Bring what is answered for an object in line with what its key holds now.

    ``holding`` is called with the claim once it is taken, so that the caller can renew it. Never
    raises for what is wrong with a document or a service.
    """
    claim = work.claims.take(ref)
    if claim is None:
        return Outcome(False, BUSY)
    holding(claim)
    try:
        return _attempt(work, claim)
    except ClaimLost as error:
        return Outcome(True, str(error))
    except Unavailable as error:
        return _later(work, claim, str(error), error.retry_after, counted=False)
    except PipelineError as error:  # only a person can help; the sweep tries again
        return _later(work, claim, error.message, work.settings.sweep_seconds, counted=False)
    except Exception as error:  # a fault of ours must not stop the documents behind it
        return _later(work, claim, f"{type(error).__name__}: {error}", None, counted=True)


def _attempt(work: Work, claim: Claim) -> Outcome:
    if former := claim.record.get("retiring"):
        _retire(work, str(former))
    with work.source.fetched(claim.ref) as fetched:
        if fetched is None:
            return _removed(work, claim)
        if claim.attempts > work.settings.attempts:
            reason = f"{work.settings.attempts} attempts ended without a result; {_last(claim)}"
            return _failed(work, claim, fetched, reason)
        try:
            return _indexed(work, claim, fetched)
        except Unreadable as error:
            return _failed(work, claim, fetched, str(error))
        except ParserLost as error:
            if claim.attempts < work.settings.attempts:
                return _later(work, claim, str(error), None, counted=True)
            words = f"{error}, in each of {claim.attempts} attempts"
            return _failed(work, claim, fetched, words)


def _last(claim: Claim) -> str:
    waiting = claim.record.get("waiting")
    return f"the last one said: {waiting}" if waiting else "their workers were lost"


def _indexed(work: Work, claim: Claim, fetched: Fetched) -> Outcome:
    limit = work.source.max_bytes
    if fetched.size > limit:
        size = fetched.size / 2**20
        raise Unreadable(f"too big: {size:.1f} MiB; the limit is {limit / 2**20:g} MiB")
    began = work.clock()
    if work.sets.find(fetched.sha256) and work.sets.join(claim, fetched.sha256):
        joined = work.sets.find(fetched.sha256) or {}
        return _done(work, claim, fetched, Counts(), str(joined.get("vector_set", "")), 0.0)
    counts = Counts()
    name = work.sets.start(claim, fetched.sha256)
    try:
        with transcript() as text:
            keys = _write(work, claim, fetched, name, counts, text)
            if not counts.chunks:
                raise Unreadable("no page has text; scanned pages need OCR, which is out of scope")
            work.texts.put(name, text)
        work.index.settle(keys)
        described = {"pages": counts.pages, "chunks": counts.chunks, "tokens": counts.tokens}
        switched = work.sets.switch(claim, fetched.sha256, name, **described)
    except BaseException:
        delete_vectors(work.sets, work.index, work.texts, name)
        raise
    if not switched:
        delete_vectors(work.sets, work.index, work.texts, name)
        raise Unavailable("its content was indexed by another worker meanwhile", retry_after=1.0)
    return _done(work, claim, fetched, counts, name, work.clock() - began)


def _write(
    work: Work, claim: Claim, fetched: Fetched, name: str, counts: Counts, text: Transcript
) -> list[str]:
    """Parse, embed and write batch by batch; return the keys of the last batch."""
    settings, keys = work.settings, list[str]()
    sections = text.of(counts.read(work.parser.sections(fetched.path, claim.ref.key)))
    cut = chunks(sections, work.tokenize, settings.chunk_tokens, settings.chunk_overlap)
    while batch := list(islice(cut, settings.batch_chunks)):
        last = len(batch) < settings.batch_chunks
        if last:
            work.claims.progress(claim, PARSED, pages=counts.pages)
        counts.chunks += len(batch)
        work.sets.reserve(name, counts.chunks)
        keys = _embed(work, fetched, name, batch, counts)
    work.claims.progress(claim, EMBEDDED, pages=counts.pages, chunks=counts.chunks)
    return keys


def _embed(
    work: Work, fetched: Fetched, name: str, batch: list[Chunk], counts: Counts
) -> list[str]:
    texts = [chunk.embedded for chunk in batch]
    tokens = work.embeddings.count(texts)
    counts.tokens += tokens
    budget = work.settings.tokens_per_day
    if budget is not None and counts.tokens > budget:
        raise Unreadable(f"too big: it takes more than the {budget} tokens of a day's budget")
    work.metrics.spend(tokens, work.settings.openai_embedding_dollars, budget)
    stored = [
        Stored(name, chunk.number, fetched.sha256, chunk.page, chunk.heading, chunk.text)
        for chunk in batch
    ]
    work.index.put(list(zip(stored, work.embeddings.embed(texts), strict=True)))
    return [one.key for one in stored]


def _done(
    work: Work, claim: Claim, fetched: Fetched, counts: Counts, name: str, seconds: float
) -> Outcome:
    """Tidy up after a switch, and say so; what serves has already changed."""
    if claim.document and claim.document != fetched.sha256:
        _retire(work, claim.document)
    text = text_key(name)
    work.claims.settle(claim, status=DONE, note=counts.note, text=text, **fetched.described)
    if counts.chunks:
        words = f"indexed {counts.pages} pages as {counts.chunks} chunks"
        work.metrics.add(documents=1, pages=counts.pages, chunks=counts.chunks, seconds=seconds)
    else:
        words = "its content is indexed already"
    work.audit.add(claim.ref.id, work.who, DONE, words=words, version=fetched.version)
    return Outcome(True, words)


def _failed(work: Work, claim: Claim, fetched: Fetched, reason: str) -> Outcome:
    """Move the object aside; what was answered from before is answered from no more.

    The reason is kept first: once the object is moved, it is all that tells this from a removal.
    """
    moved = FAILED_PREFIX + claim.ref.name
    work.claims.progress(claim, FAILED, reason=reason, moved_to=moved, **fetched.described)
    if claim.document:
        work.sets.leave(claim, FAILED)
        _retire(work, claim.document)
    work.source.move(claim.ref, fetched, moved)
    work.claims.settle(claim, status=FAILED)
    work.metrics.add(failed=1)
    work.audit.add(claim.ref.id, work.who, FAILED, words=reason, version=fetched.version)
    return Outcome(True, f"failed: {reason}")


def _removed(work: Work, claim: Claim) -> Outcome:
    """The key holds nothing: nothing is answered from it, unless it was moved to ``failed/``."""
    status = FAILED if claim.record.get("status") == FAILED else REMOVED
    if claim.document:
        work.sets.leave(claim, status)
        _retire(work, claim.document)
    if status == FAILED:
        work.claims.settle(claim, status=FAILED)
        return Outcome(True, "it was moved to failed/")
    gone = int(work.clock()) + REMEMBERED_DAYS * DAY
    work.claims.settle(claim, status=REMOVED, expires_at=gone)
    work.audit.add(claim.ref.id, work.who, REMOVED)
    return Outcome(True, "removed")


def _later(
    work: Work, claim: Claim, words: str, retry_after: float | None, *, counted: bool
) -> Outcome:
    """Give the object back; an attempt that counts is the last one when there are too many.

    A message would be hidden for 12 hours at most and be received again and again, until it was a
    dead letter: a longer wait than one for another attempt is kept in the record instead.
    """
    put_off = retry_after if retry_after and retry_after > LONGEST_WAIT else None
    try:
        work.claims.release(claim, words, counted=counted, put_off=put_off)
    except (ClaimLost, Unavailable) as error:
        return Outcome(False, f"{words}; {error}")
    return Outcome(False, words, retry_after, put_off=put_off is not None)


def _retire(work: Work, sha256: str) -> None:
    found = work.sets.find(sha256)
    work.sets.retire(sha256)
    if found:
        delete_vectors(work.sets, work.index, work.texts, str(found["vector_set"]))
