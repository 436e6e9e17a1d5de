"""The files that are kept of an image: what is in it, what is attested. Reads and changes AWS (S3).

They are in the bucket that the stack of an environment's account creates, below the image's digest
and its id: a bake that is forced makes another image of the same digest. That bucket is there
before the first bake, and stays when a cluster is destroyed.
"""

from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from bake.catalog import Image
from bake.inventory import Inventory
from common.clients import Clients, error_code, translated
from common.environment import Environment
from common.errors import PipelineError, Refused

INVENTORY, CYCLONEDX, SPDX = "inventory.json", "sbom.cdx.json", "sbom.spdx.json"
NAMES = (INVENTORY, CYCLONEDX, SPDX)
# Signed in an envelope (DSSE).
TESTS, BILLS, ORIGIN = "tests.dsse.json", "sbom.dsse.json", "provenance.dsse.json"
DRILLS = "drills.dsse.json"
COPY = "copy.dsse.json"  # of an image that was copied, by the environment that copied it
# Of S3 for an object, and for a bucket, that does not exist.
MISSING = {"404", "NoSuchKey", "NoSuchBucket"}


def key_of(digest: str, ami_id: str, name: str) -> str:
    """Return the key of one of an image's files."""
    return f"{digest}/{ami_id}/{name}"


def check_bucket(clients: Clients, environment: Environment) -> None:
    """Raise Refused when the environment's account has no bucket for such files."""
    bucket = environment.images_bucket
    with translated(f"looking for the bucket {bucket}"):
        try:
            clients("s3").head_bucket(Bucket=bucket)
        except ClientError as error:
            if error_code(error) in MISSING:
                raise Refused(
                    f"there is no bucket {bucket}, where a bake keeps what is in its images",
                    hint=f"an administrator runs: invoke account.setup --env {environment.name}",
                ) from error
            raise


def store_files(clients: Clients, bucket: str, digest: str, ami_id: str, folder: Path) -> None:
    """Store the files of an image, which are in ``folder`` under their names."""
    for name in NAMES:
        store(clients, bucket, digest, ami_id, name, (folder / name).read_bytes())


def store(
    clients: Clients, bucket: str, digest: str, ami_id: str, name: str, content: bytes
) -> None:
    """Store one file of an image, over an earlier one."""
    key = key_of(digest, ami_id, name)
    with translated(f"writing s3://{bucket}/{key}"):
        clients("s3").put_object(
            Bucket=bucket, Key=key, Body=content, ContentType="application/json"
        )


@dataclass(frozen=True)
class Kept:
    """The files of one image in one bucket."""

    clients: Clients
    bucket: str
    image: Image

    def read(self, name: str) -> bytes | None:
        """Return one of them; None when there is none."""
        return read_file(self.clients, self.bucket, self.image, name)

    def store(self, name: str, content: bytes) -> None:
        """Store one of them, over an earlier one."""
        image = self.image
        store(self.clients, self.bucket, image.digest, image.ami_id, name, content)


def uncarried(source: Kept, target: Kept) -> dict[str, bytes]:
    """Return what one bucket has of an image and another has not, or otherwise, by name."""
    found = {name: source.read(name) for name in (*NAMES, TESTS, BILLS, ORIGIN, DRILLS)}
    return {
        name: content
        for name, content in found.items()
        if content is not None and content != target.read(name)
    }


def carry_files(source: Kept, target: Kept) -> None:
    """Copy what one bucket has of an image to another."""
    for name, content in uncarried(source, target).items():
        target.store(name, content)


def read_file(clients: Clients, bucket: str, image: Image, name: str) -> bytes | None:
    """Return one of an image's files; None when there is none."""
    key = key_of(image.digest, image.ami_id, name)
    with translated(f"reading s3://{bucket}/{key}"):
        try:
            found: bytes = clients("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error_code(error) in MISSING:
                return None
            raise
    return found


def read_inventory(clients: Clients, bucket: str, image: Image) -> Inventory | None:
    """Return what is in an image; None when the bucket does not have it.

    Raises PipelineError for an object that is no inventory.
    """
    text = read_file(clients, bucket, image, INVENTORY)
    try:
        return None if text is None else Inventory.parse(text.decode())
    except (ValueError, TypeError, KeyError) as error:
        raise PipelineError(
            f"s3://{bucket}/{key_of(image.digest, image.ami_id, INVENTORY)} is no inventory",
            hint="restore an earlier version of it, or bake the image again with --force",
        ) from error
