"""Vectors in a Pinecone serverless index, by its official client. No AWS."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pinecone import Index
from pinecone.errors import exceptions

from common.errors import Refused
from documents.errors import Unavailable
from documents.providers.interfaces import Hit, Stored, Vector, stored
from documents.settings import Settings

# docs.pinecone.io/reference/api/database-limits: 1,000 records a write, up to 2 MB.
AT_ONCE = 200
DELETE_AT_ONCE = 1000
FRESH_WITHIN = 60.0  # seconds
FINAL = (
    exceptions.UnauthorizedError,
    exceptions.ForbiddenError,
    exceptions.NotFoundError,
    exceptions.PaymentRequiredError,
)


class PineconeIndex:
    """One namespace of an index of cosine similarity.

    Its client tries three times more by itself, and waits as Retry-After says; calls on an index
    have no setting for that (pinecone 10.2.0, index/__init__.py).
    """

    def __init__(self, settings: Settings, sleep: Callable[[float], None] = time.sleep) -> None:
        self._index = Index(
            host=settings.pinecone_host,
            api_key=settings.pinecone_api_key.get_secret_value(),
            timeout=30.0,
        )
        self._namespace, self._sleep = settings.pinecone_namespace, sleep

    def put(self, vectors: Sequence[tuple[Stored, Vector]]) -> None:
        """Write vectors, 200 at a time."""
        items = [
            {"id": one.key, "values": vector, "metadata": one.metadata} for one, vector in vectors
        ]
        for start in range(0, len(items), AT_ONCE):
            with _answering():
                self._index.upsert(
                    vectors=items[start : start + AT_ONCE],
                    namespace=self._namespace,
                    show_progress=False,
                )

    def settle(self, keys: Sequence[str]) -> None:
        """Wait until the last written vectors can be read; raises Unavailable after a minute.

        Pinecone is eventually consistent, and applies the writes of a namespace in order
        (docs.pinecone.io/guides/index-data/check-data-freshness): once the last is there, all are.
        """
        deadline = time.monotonic() + FRESH_WITHIN
        while keys:
            with _answering():
                found = self._index.fetch(ids=[keys[-1]], namespace=self._namespace).vectors
            if keys[-1] in found:
                return
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"Pinecone does not show what was written {FRESH_WITHIN:.0f} s ago"
                )
            self._sleep(0.5)

    def search(self, vector: Vector, count: int) -> list[Hit]:
        """Return the nearest passages, best first."""
        with _answering():
            answer = self._index.query(
                vector=vector, top_k=count, include_metadata=True, namespace=self._namespace
            )
        return [
            Hit(stored(found.id, found.metadata), float(found.score)) for found in answer.matches
        ]

    def delete(self, keys: Sequence[str]) -> None:
        """Delete vectors, 1,000 at a time."""
        for start in range(0, len(keys), DELETE_AT_ONCE):
            some = list(keys[start : start + DELETE_AT_ONCE])
            try:
                with _answering():
                    self._index.delete(ids=some, namespace=self._namespace)
            except Refused as error:
                if not isinstance(error.__cause__, exceptions.NotFoundError):  # no namespace yet
                    raise


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except FINAL as error:
        raise Refused(
            f"Pinecone answered {error.status_code}: {error.message}",
            hint="check pinecone_host, the key in the secret and the project's plan",
        ) from error
    except exceptions.ApiError as error:
        if error.status_code in (408, 429) or error.status_code >= 500:
            after = getattr(error, "retry_after", None)
            raise Unavailable(f"Pinecone answered {error.status_code}", after) from error
        raise Refused(
            f"Pinecone answered {error.status_code}: {error.message}",
            hint="check that the index has the model's dimension",
        ) from error
    except exceptions.PineconeError as error:
        raise Unavailable(f"Pinecone: {error}") from error
