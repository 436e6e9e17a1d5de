"""The files that are kept of images, image by image. Reads and changes AWS (S3).

The bucket is an environment's own: a prune of another environment removes what that one has.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from botocore.exceptions import ClientError

from bake.image_files import MISSING
from bake.leftovers import TOO_OLD
from common.clients import Clients, error_code, translated
from common.errors import PipelineError
from deploy.operate.stored_images import StoredImage

# https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
KEYS_AT_ONCE = 1000


@dataclass(frozen=True)
class StoredFiles:
    """The files of one image; ``newest`` is when the last of them was written."""

    bucket: str
    digest: str
    ami_id: str
    keys: tuple[str, ...]
    newest: datetime

    @property
    def words(self) -> str:
        """Return how many there are, and where."""
        count = f"{len(self.keys)} file{'s' if len(self.keys) > 1 else ''}"
        return f"{count} in s3://{self.bucket}/{self.digest}/{self.ami_id}/"


def stored_files(clients: Clients, bucket: str) -> tuple[StoredFiles, ...]:
    """Return all files that are kept of images; none where there is no bucket."""
    found: dict[tuple[str, str], dict[str, datetime]] = {}
    with translated(f"listing s3://{bucket}"):
        try:
            pages = clients("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
            objects = [entry for page in pages for entry in page.get("Contents", [])]
        except ClientError as error:
            if error_code(error) in MISSING:
                return ()
            raise
    for entry in objects:
        digest, _, rest = entry["Key"].partition("/")
        ami_id, _, name = rest.partition("/")
        if ami_id.startswith("ami-") and name:
            found.setdefault((digest, ami_id), {})[entry["Key"]] = entry["LastModified"]
    return tuple(
        StoredFiles(bucket, digest, ami_id, tuple(sorted(keys)), max(keys.values()))
        for (digest, ami_id), keys in found.items()
    )


def without_image(
    files: Iterable[StoredFiles], images: Iterable[StoredImage], recycled: set[str], now: datetime
) -> tuple[StoredFiles, ...]:
    """Return the files that belong to none of these images.

    An image needs those of its id and those of its digest, since a copy has another id. New files
    stay, as their image may be in the making; so do those of an image in the Recycle Bin.
    """
    images = tuple(images)
    ids = {image.ami_id for image in images} | recycled
    digests = {image.digest for image in images}
    return tuple(
        one
        for one in files
        if one.ami_id not in ids and one.digest not in digests and now - one.newest > TOO_OLD
    )


def delete_files(clients: Clients, files: StoredFiles) -> None:
    """Delete an image's files; what a death leaves of them is found by the next prune."""
    for start in range(0, len(files.keys), KEYS_AT_ONCE):
        some = [{"Key": key} for key in files.keys[start : start + KEYS_AT_ONCE]]
        with translated(f"deleting {files.words}"):
            answer = clients("s3").delete_objects(
                Bucket=files.bucket, Delete={"Objects": some, "Quiet": True}
            )
        for refused in answer.get("Errors", []):  # in an answer that says 200
            raise PipelineError(
                f"s3://{files.bucket}/{refused['Key']} was not deleted: {refused.get('Code')}",
                hint="check the bucket's policy, then prune again: it finds what is left",
            )
