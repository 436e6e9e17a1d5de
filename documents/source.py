"""The objects themselves: fetch what a key holds now, and move what cannot be read. Touches S3."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from common.clients import error_code
from documents.errors import Unavailable
from documents.identity import ObjectRef

PIECE = 2**20
GONE = ("404", "NoSuchKey", "NoSuchVersion")
# Another object is at the key by now (DeleteObject, If-Match).
NEWER = "PreconditionFailed"


@dataclass(frozen=True)
class Fetched:
    """The newest version of an object, in a file; one that is too big is not fetched."""

    path: Path
    sha256: str
    size: int
    version: str
    etag: str

    @property
    def described(self) -> dict[str, Any]:
        """What its record says of it."""
        return {"version": self.version, "etag": self.etag, "size": self.size}


class Source:
    """The bucket that documents are put into."""

    def __init__(self, s3: Any, max_bytes: int) -> None:
        self._s3, self.max_bytes = s3, max_bytes

    @contextmanager
    def fetched(self, ref: ObjectRef) -> Iterator[Fetched | None]:
        """Fetch what the key holds now; None when it holds nothing. The file goes with the block.

        Events may be old; S3 itself is strongly consistent
        (docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel).
        """
        with tempfile.NamedTemporaryFile(prefix="document-") as file:
            yield self._fetch(ref, Path(file.name))

    def move(self, ref: ObjectRef, fetched: Fetched, key: str) -> None:
        """Move a version to another key, but leave a newer one where it is.

        A copy takes up to 5 GB at once (CopyObject), which is above every limit on documents.
        """
        copied = {"Bucket": ref.bucket, "Key": ref.key}
        if fetched.version != "null":
            copied["VersionId"] = fetched.version
        with answering():
            try:
                self._s3.copy_object(Bucket=ref.bucket, Key=key, CopySource=copied)
                self._s3.delete_object(Bucket=ref.bucket, Key=ref.key, IfMatch=fetched.etag)
            except ClientError as error:
                if error_code(error) not in (*GONE, NEWER):
                    raise

    def move_back(self, ref: ObjectRef, failed_key: str) -> str:
        """Move an object from ``failed/`` to where it was; return its version, empty if gone."""
        with answering():
            try:
                copied = self._s3.copy_object(
                    Bucket=ref.bucket,
                    Key=ref.key,
                    CopySource={"Bucket": ref.bucket, "Key": failed_key},
                )
            except ClientError as error:
                if error_code(error) in GONE:
                    return ""
                raise
            self._s3.delete_object(Bucket=ref.bucket, Key=failed_key)
        return str(copied.get("VersionId", "null"))

    def listed(self, bucket: str, prefix: str) -> Iterator[tuple[ObjectRef, str]]:
        """Yield every object below a prefix, with its ETag."""
        with answering():
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            for page in pages:
                for item in page.get("Contents", ()):
                    yield ObjectRef(bucket, item["Key"]), item["ETag"]

    def _fetch(self, ref: ObjectRef, path: Path) -> Fetched | None:
        with answering():
            try:
                answer = self._s3.get_object(Bucket=ref.bucket, Key=ref.key)
            except ClientError as error:
                if error_code(error) in GONE:
                    return None
                raise
            size, digest = int(answer["ContentLength"]), hashlib.sha256()
            version, etag = answer.get("VersionId") or "null", answer["ETag"]
            if size > self.max_bytes:
                answer["Body"].close()
                return Fetched(path, "", size, version, etag)
            with path.open("wb") as file:
                for piece in answer["Body"].iter_chunks(PIECE):
                    digest.update(piece)
                    file.write(piece)
        return Fetched(path, digest.hexdigest(), size, version, etag)


@contextmanager
def answering() -> Iterator[None]:
    """Translate the errors of S3 into Unavailable."""
    try:
        yield
    except ClientError as error:
        raise Unavailable(f"S3 answered {error_code(error)}") from error
    except BotoCoreError as error:
        raise Unavailable(f"S3: {error}") from error
