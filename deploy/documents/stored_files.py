"""The objects of another bucket that are to be added: found, named, and checked. Reads S3.

They are copied by S3 itself, and take the same way as any other object: a message each, as many
consumers as there are CPUs, the control table as the authority. So a backfill is no other program.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from common.clients import translated
from common.errors import Refused
from deploy.documents.local_files import KNOWN, LONGEST_KEY
from documents.identity import INPUT

SCHEME = "s3://"


@dataclass(frozen=True)
class StoredFile:
    """An object of a bucket, what it is called below ``input/``, and its bytes."""

    bucket: str
    source: str
    name: str
    size: int

    @property
    def key(self) -> str:
        """The key of its copy."""
        return INPUT + self.name

    @property
    def words(self) -> str:
        """What a person knows it by."""
        return f"{SCHEME}{self.bucket}/{self.source}"


def stored_files(s3: Any, url: str, max_bytes: int) -> tuple[list[StoredFile], list[str]]:
    """Return what ``s3://BUCKET/PREFIX`` holds that is read here, and the names of the rest.

    An object is called by its key from the prefix's last part on. Left out is what has another
    ending, is empty or too big, or whose name is too long: a bucket of others cannot be corrected
    first. Raises Refused when nothing is left.
    """
    bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
    cut, found, left_out = (
        prefix.rfind("/", 0, len(prefix) - 1) + 1,
        list[StoredFile](),
        list[str](),
    )
    for item in _listed(s3, bucket, prefix):
        file = StoredFile(bucket, item["Key"], item["Key"][cut:], item["Size"])
        if file.source.endswith("/"):
            continue  # the marker of a folder
        known = file.name.lower().endswith(KNOWN) and len(file.key.encode()) <= LONGEST_KEY
        if known and 0 < file.size <= max_bytes:
            found.append(file)
        else:
            left_out.append(file.words)
    if not found:
        raise Refused(f"{url} holds no document", hint=f"these are read: {' '.join(KNOWN)}")
    return found, left_out


def _listed(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    with translated(f"listing {SCHEME}{bucket}/{prefix}"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from page.get("Contents", ())
