"""What a request to S3 has to be allowed: actions on buckets and objects, with condition keys.

Follows "Required permissions for Amazon S3 API operations" of the S3 User Guide
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html): a copy
reads its source, DeleteObjects needs permission on each object, and whoever may not list a bucket
does not learn which objects are missing (GetObject). ``s3:prefix`` is the prefix of a request that
has one, so none that reads an object:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

from moto.s3.models import s3_backends

from localcloud.patches.iam.resources_launch import Tree

Asked = tuple[str, str, Tree]  # action, ARN, condition keys

BUCKETS = "arn:aws:s3:::"
COPY_SOURCE = "x-amz-copy-source"
# Sub-resource in the query of a bucket's URL: IAM's words for GET; PUT and DELETE are Put...
_BUCKET_PARTS = {
    "accelerate": "AccelerateConfiguration",
    "acl": "BucketAcl",
    "cors": "BucketCORS",
    "encryption": "EncryptionConfiguration",
    "lifecycle": "LifecycleConfiguration",
    "location": "BucketLocation",
    "logging": "BucketLogging",
    "notification": "BucketNotification",
    "object-lock": "BucketObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "policyStatus": "BucketPolicyStatus",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "replication": "ReplicationConfiguration",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
    "website": "BucketWebsite",
}


def s3_checks(request: Any, account: str, resource: str) -> Iterator[Asked]:
    """Yield everything that has to be allowed for a request on a bucket or an object."""
    if request.method == "POST" and "delete" in request.args:
        yield from (("s3:DeleteObject", f"{resource}/{key}", {}) for key in _keys(request.data))
        return
    action, keys = _action(request.method, request.args, resource)
    yield f"s3:{action}", resource, keys
    if action == "GetObject":
        yield from _unseen(account, resource)
    if source := request.headers.get(COPY_SOURCE):
        name = unquote(source).partition("?")[0].removeprefix("/")
        yield "s3:GetObject", BUCKETS + name, {}


def _keys(body: bytes) -> list[str]:
    """Return the objects that a DeleteObjects names."""
    found = ElementTree.fromstring(body)  # noqa: S314 - from our own tests and nodes
    return [one.text or "" for one in found.iter() if one.tag.rpartition("}")[2] == "Key"]


def _action(method: str, query: Any, resource: str) -> tuple[str, Tree]:
    """Return the IAM action, which is rarely the operation's own name, and its keys."""
    if resource == f"{BUCKETS}*":
        return "ListAllMyBuckets", {}
    if "/" in resource:
        return _s3_object(method, query), {}
    for part, words in _BUCKET_PARTS.items():
        if part in query:
            return ("Get" if method in ("GET", "HEAD") else "Put") + words, {}
    listing = {"s3:prefix": query.get("prefix")}
    if "versions" in query:
        return "ListBucketVersions", listing
    if "uploads" in query:
        return "ListBucketMultipartUploads", listing
    if method in ("GET", "HEAD"):
        return "ListBucket", listing
    return ("CreateBucket" if method == "PUT" else "DeleteBucket"), {}


def _unseen(account: str, resource: str) -> Iterator[Asked]:
    """Yield what a caller needs to learn that an object does not exist."""
    name, _, key = resource.removeprefix(BUCKETS).partition("/")
    bucket = s3_backends[account]["aws"].buckets.get(name)
    if bucket is not None and key not in bucket.keys:
        yield "s3:ListBucket", BUCKETS + name, {}


def _s3_object(method: str, query: Any) -> str:
    verb = {"GET": "Get", "HEAD": "Get", "DELETE": "Delete"}.get(method, "Put")
    version = "Version" if "versionId" in query else ""
    if "tagging" in query:
        return f"{verb}Object{version}Tagging"
    if "acl" in query:
        return f"{verb}Object{version}Acl"
    if "uploadId" in query and verb in ("Get", "Delete"):
        return "ListMultipartUploadParts" if verb == "Get" else "AbortMultipartUpload"
    return f"{verb}Object{version if verb != 'Put' else ''}"
