"""The configuration bucket: documents named by their content, and one pointer. Touches AWS (S3).

A stored document never changes, so an instance fetches exactly what it was told to fetch; the
pointer to the current release is the only object that is overwritten.
"""

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.errors import PipelineError
from deploy.release.release import Release, content_id, release_from

MISSING = {"404", "NoSuchKey", "NoSuchBucket", "NotFound"}


@dataclass(frozen=True)
class Document:
    """A text and its key, which is derived from its content."""

    key: str
    body: str

    def uri(self, bucket: str) -> str:
        """Return the address from which an instance fetches the document."""
        return f"s3://{bucket}/{self.key}"


def autoscaler_document(environment: str, body: str) -> Document:
    """Return an autoscaler configuration, keyed by its content."""
    return Document(f"{environment}/autoscaler/{content_id(body)}.yaml", body)


def release_document(environment: str, release: Release) -> Document:
    """Return a release, keyed by its id."""
    return Document(f"{environment}/releases/{release.id}.json", release.to_json())


def rotation_folder(environment: str) -> str:
    """Return the folder of the mark of a rotation of the token; it is empty but for one."""
    return f"{environment}/token"


def stored_keys(clients: Clients, bucket: str, folder: str) -> frozenset[str]:
    """Return all keys in a folder; each environment has a folder of its name."""
    with translated(f"listing s3://{bucket}/{folder}/"):
        try:
            pages = clients("s3").get_paginator("list_objects_v2")
            found = pages.paginate(Bucket=bucket, Prefix=f"{folder}/")
            return frozenset(entry["Key"] for page in found for entry in page.get("Contents", []))
        except ClientError as error:
            if error_code(error) in MISSING:
                return frozenset()
            raise


def store_document(clients: Clients, bucket: str, document: Document) -> None:
    """Store the document unless it is stored already."""
    with translated(f"looking for {document.uri(bucket)}"):
        try:
            clients("s3").head_object(Bucket=bucket, Key=document.key)
            return
        except ClientError as error:
            if error_code(error) not in MISSING:
                raise
    _put(clients, bucket, document.key, document.body)


def current_release(clients: Clients, bucket: str, environment: str) -> Release | None:
    """Return the release that the last successful rollout deployed.

    None also when the pointer cannot be read, as another version of this code may have written it:
    the next deploy verifies the cluster again and writes its own pointer.
    """
    found = read_object(clients, bucket, _pointer(environment))
    try:
        return None if found is None else release_from(json.dumps(json.loads(found)["release"]))
    except (ValueError, TypeError, KeyError):
        return None


def find_release(clients: Clients, bucket: str, environment: str, name: str) -> Release | None:
    """Return the stored release of that id; None when there is none, or it cannot be read."""
    found = read_object(clients, bucket, f"{environment}/releases/{name}.json")
    try:
        return None if found is None else release_from(found)
    except (ValueError, TypeError, KeyError):
        return None


def point_to_release(clients: Clients, bucket: str, environment: str, release: Release) -> None:
    """Make this the cluster's current release."""
    content = {"id": release.id, "release": json.loads(release.to_json())}
    _put(clients, bucket, _pointer(environment), json.dumps(content, indent=2))


def read_object(clients: Clients, bucket: str, key: str) -> bytes | None:
    """Return the object under a key; None when there is none."""
    with translated(f"reading s3://{bucket}/{key}"):
        try:
            body = clients("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error_code(error) in MISSING:
                return None
            raise
    return bytes(body)


def remove_documents(clients: Clients, bucket: str, prefix: str = "") -> int:
    """Delete every version of every object under the prefix; return how many were deleted."""
    count = 0
    with translated(f"emptying s3://{bucket}/{prefix}"):
        while keys := _some_versions(clients, bucket, prefix):
            request = {"Objects": keys, "Quiet": True}
            refused = clients("s3").delete_objects(Bucket=bucket, Delete=request).get("Errors", [])
            if refused:
                raise _not_deleted(bucket, refused[0])
            count += len(keys)
    return count


def _not_deleted(bucket: str, refused: dict[str, str]) -> PipelineError:
    """Return the error for an object that S3 did not delete; S3 reports it in a 200 response."""
    return PipelineError(
        f"s3://{bucket}/{refused['Key']} cannot be deleted: {refused.get('Code')}",
        hint="check the bucket's policy and object locks, then destroy again",
    )


def _some_versions(clients: Clients, bucket: str, prefix: str) -> list[dict[str, Any]]:
    """Return up to 1000 versions and delete markers, as many as one request may delete."""
    try:
        page = clients("s3").list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=1000)
    except ClientError as error:
        if error_code(error) in MISSING:
            return []
        raise
    found = page.get("Versions", []) + page.get("DeleteMarkers", [])
    return [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in found]


def _pointer(environment: str) -> str:
    return f"{environment}/releases/current.json"


def _put(clients: Clients, bucket: str, key: str, body: str) -> None:
    with translated(f"writing s3://{bucket}/{key}"):
        clients("s3").put_object(Bucket=bucket, Key=key, Body=body.encode())
