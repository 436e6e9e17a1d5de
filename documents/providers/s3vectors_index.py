"""Vectors in Amazon S3 Vectors. Touches AWS.

Follows docs.aws.amazon.com/AmazonS3/latest/userguide/s3-vectors-limitations.html (500 vectors a
write, 100 results a query, 40 KB of metadata, of which 2 KB can be filtered by, so text and heading
are declared non-filterable by whoever creates the index) and s3-vectors-vectors.html.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from common.clients import error_code
from common.errors import Refused
from documents.errors import Unavailable
from documents.providers.interfaces import Hit, Stored, Vector, stored

AT_ONCE = 500
MOST_RESULTS = 100
NON_FILTERABLE = ("text", "heading")
# Retrying does not help: the stack or the permissions are not as they must be.
FINAL = {"AccessDeniedException", "NotFoundException", "ValidationException"}


class S3VectorsIndex:
    """One vector index, of cosine distance."""

    def __init__(self, s3vectors: Any, bucket: str, index: str) -> None:
        self._s3vectors = s3vectors
        self._names = {"vectorBucketName": bucket, "indexName": index}

    def put(self, vectors: Sequence[tuple[Stored, Vector]]) -> None:
        """Write vectors, 500 at a time."""
        items = [
            {"key": one.key, "data": {"float32": vector}, "metadata": one.metadata}
            for one, vector in vectors
        ]
        for start in range(0, len(items), AT_ONCE):
            with self._answering():
                self._s3vectors.put_vectors(**self._names, vectors=items[start : start + AT_ONCE])

    def settle(self, keys: Sequence[str]) -> None:
        """Return at once: what was written is found (aws.amazon.com/s3/features/vectors)."""

    def search(self, vector: Vector, count: int) -> list[Hit]:
        """Return the nearest passages, best first; S3 Vectors gives no more than 100."""
        with self._answering():
            answer = self._s3vectors.query_vectors(
                **self._names,
                topK=min(count, MOST_RESULTS),
                queryVector={"float32": vector},
                returnMetadata=True,
                returnDistance=True,
            )
        return [
            Hit(stored(found["key"], found["metadata"]), 1 - float(found["distance"]))
            for found in answer["vectors"]
        ]

    def delete(self, keys: Sequence[str]) -> None:
        """Delete vectors, 500 at a time."""
        for start in range(0, len(keys), AT_ONCE):
            with self._answering():
                self._s3vectors.delete_vectors(
                    **self._names, keys=list(keys[start : start + AT_ONCE])
                )

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            words = f"S3 Vectors answered {error_code(error)}: {error.response['Error']['Message']}"
            if error_code(error) in FINAL:
                index = "/".join(self._names.values())
                raise Refused(
                    words,
                    hint=f"check that {index} exists, has the model's dimension, and is allowed",
                ) from error
            raise Unavailable(words) from error
        except BotoCoreError as error:
            raise Unavailable(f"S3 Vectors: {error}") from error
