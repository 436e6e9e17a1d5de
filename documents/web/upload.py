"""Pass a request's body on to S3 without holding it: a multipart upload. Touches S3."""

from collections.abc import AsyncIterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from starlette.concurrency import run_in_threadpool

from common.clients import error_code
from documents.errors import Unavailable

# Every part but the last has at least 5 MiB (docs.aws.amazon.com/AmazonS3/latest/userguide/
# qfacts.html).
PART = 8 * 2**20


async def upload(
    s3: Any, bucket: str, key: str, pieces: AsyncIterator[bytes], most: int
) -> int | None:
    """Upload; return the size, or None, and leave nothing, when there is more than ``most``.

    Raises Unavailable.
    """
    rest, size, whole = bytearray(), 0, _Multipart(s3, bucket, key)
    try:
        async for piece in pieces:
            size += len(piece)
            if size > most:
                await run_in_threadpool(whole.abort)
                return None
            rest += piece
            if len(rest) >= PART:
                await run_in_threadpool(whole.add, bytes(rest))
                rest.clear()
        await run_in_threadpool(whole.complete, bytes(rest))
    except (ClientError, BotoCoreError) as error:
        await run_in_threadpool(whole.abort)
        code = error_code(error) if isinstance(error, ClientError) else str(error)
        raise Unavailable(f"S3 answered {code}") from error
    except BaseException:  # the client hung up
        await run_in_threadpool(whole.abort)
        raise
    return size


class _Multipart:
    """A multipart upload, begun with its first part; a small object is put at once."""

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        self._s3, self._names = s3, {"Bucket": bucket, "Key": key}
        self._id = ""
        self._parts: list[dict[str, Any]] = []

    def add(self, content: bytes) -> None:
        if not self._id:
            self._id = self._s3.create_multipart_upload(**self._names)["UploadId"]
        number = len(self._parts) + 1
        tag = self._s3.upload_part(
            **self._names, UploadId=self._id, PartNumber=number, Body=content
        )["ETag"]
        self._parts.append({"ETag": tag, "PartNumber": number})

    def complete(self, content: bytes) -> None:
        if not self._id:
            self._s3.put_object(**self._names, Body=content)
            return
        if content:
            self.add(content)
        self._s3.complete_multipart_upload(
            **self._names, UploadId=self._id, MultipartUpload={"Parts": self._parts}
        )

    def abort(self) -> None:
        if self._id:
            try:
                self._s3.abort_multipart_upload(**self._names, UploadId=self._id)
            except (ClientError, BotoCoreError):
                return  # the bucket's lifecycle deletes what is left
