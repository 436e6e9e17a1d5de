"""What a pipeline holds: documents, versions, vectors, images. Touches AWS, changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from deploy.documents.image import repository_name
from deploy.release.config_bucket import MISSING
from documents.control.claims import DONE, FAILED, OPEN
from documents.control.listing import Listing

REPOSITORY = "ECRRepositoryUri"


@dataclass(frozen=True)
class Contents:
    """``documents`` are counts by status; ``versions`` and ``bytes`` those of the bucket.

    ``images`` is None where the pipeline has no repository of its own.
    """

    documents: Mapping[str, int]
    versions: int
    bytes: int
    images: int | None

    @property
    def words(self) -> tuple[str, ...]:
        """Return a line for each kind of thing that a destroy deletes for good."""
        by_status = ", ".join(f"{count} {status}" for status, count in self.documents.items())
        size = self.bytes / 2**20
        images = (f"images in the repository: {self.images}",) if self.images is not None else ()
        return (
            f"documents in the tables: {by_status or 'none'}; with their audit and metrics",
            f"objects in the bucket: {self.versions} versions, {size:.1f} MiB",
            "every vector of the index",
            *images,
            "the log groups, the queues with what waits in them, and the secrets",
        )


def contents_of(clients: Clients, outputs: Mapping[str, str]) -> Contents:
    """Return what the pipeline of a stack's outputs holds."""
    listing = Listing(clients("dynamodb"), outputs["ControlTableName"])
    with translated("counting documents"):
        counts = {status: listing.count(status) for status in (*OPEN, DONE, FAILED)}
    versions, size = _versions(clients, outputs["S3BucketName"])
    return Contents(
        {status: count for status, count in counts.items() if count},
        versions,
        size,
        _images(clients, outputs[REPOSITORY]) if REPOSITORY in outputs else None,
    )


def _versions(clients: Clients, bucket: str) -> tuple[int, int]:
    with translated(f"listing s3://{bucket}"):
        try:
            pages = clients("s3").get_paginator("list_object_versions").paginate(Bucket=bucket)
            found = [one for page in pages for one in page.get("Versions", ())]
        except ClientError as error:
            if error_code(error) not in MISSING:
                raise
            found = []
    return len(found), sum(one["Size"] for one in found)


def _images(clients: Clients, uri: str) -> int:
    with translated(f"listing {uri}"):
        try:
            pages = clients("ecr").get_paginator("list_images")
            found = pages.paginate(repositoryName=repository_name(uri)).build_full_result()
        except ClientError as error:
            if error_code(error) != "RepositoryNotFoundException":
                raise
            return 0
    return len({one["imageDigest"] for one in found["imageIds"]})
