"""Turn a request into what IAM has to decide: actions on resources, with condition keys.

Follows "Actions, resources, and condition keys for AWS services" (docs.aws.amazon.com/
service-authorization/latest/reference/) and, for S3, "Required permissions for Amazon S3 API
operations" of the S3 User Guide. Reads the parameters with moto's own parsers.
"""

from typing import Any

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import determine_request_protocol
from moto.core.utils import get_service_model
from moto.s3.models import s3_backends

from localcloud import world
from localcloud.patches.iam.policies import Check
from localcloud.patches.iam.principals import Principal
from localcloud.patches.iam.resources import named_by, passed_by
from localcloud.patches.iam.resources_ec2 import Namer, Tree
from localcloud.patches.iam.signatures import Signed
from localcloud.times import moment

PREFIXES = {"monitoring": "cloudwatch", "email": "ses"}  # signing name: IAM prefix

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


def protocol_of(response: Any) -> str:
    """Return the protocol of the request and of its answer."""
    model = get_service_model(response.boto3_service_name)
    content = response.headers.get("Content-Type", "")
    try:
        return str(determine_request_protocol(model, content))
    except NotImplementedError:
        return str(model.protocol)


def checks_of(response: Any, signed: Signed, who: Principal, resource: str) -> list[Check]:
    """Return everything that has to be allowed for this request."""
    service = PREFIXES.get(signed.service, signed.service)
    common = _common(who, signed.region)
    where = (response.current_account, signed.region)
    if service == "s3":
        action, keys = _s3(response, resource)
        named_object = [(f"s3:{action}", resource, keys)]
        return [
            _check(one, arn, {**common, **more})
            for one, arn, more in [*named_object, *_unseen(where[0], action, resource)]
        ]
    action = str(response._get_action())
    parameters = _parameters(response, action)
    named: list[tuple[str, str, Tree]] = []
    if service == "ec2":
        named += Namer(*where).names(action, parameters)
    named += [(f"{service}:{action}", *one) for one in named_by(where, service, action, parameters)]
    if not named:
        named = [(f"{service}:{action}", "*", {})]
    named += passed_by(where, service, action, parameters)
    return [_check(one, arn, {**common, **keys}) for one, arn, keys in named]


def _check(action: str, arn: str, keys: Tree) -> Check:
    context = {
        key.lower(): value if isinstance(value, tuple) else (str(value),)
        for key, value in keys.items()
        if value is not None
    }
    return Check(action, arn, context)


def _common(who: Principal, region: str) -> Tree:
    now = world.now()
    return {
        **dict(who.context),
        "aws:RequestedRegion": region,
        "aws:SecureTransport": "true",
        "aws:CurrentTime": moment(now).isoformat(),
        "aws:EpochTime": int(now),
        "aws:ViaAWSService": "false",
    }


def _parameters(response: Any, action: str) -> Tree:
    model = get_service_model(response.boto3_service_name)
    if action not in model.operation_names:
        return {}
    request = response.normalized_request
    parser = PROTOCOL_PARSERS[protocol_of(response)](model.operation_model(action), map_type=dict)
    parsed: Tree = parser.parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.data,
            "url_path": request.path,
            "url_params": response.uri_match,
        }
    )
    return parsed or {}


def _s3(response: Any, resource: str) -> tuple[str, Tree]:
    """Return the IAM action, which is rarely the operation's own name, and its keys."""
    request = response.normalized_request
    query, method = request.args, request.method
    if resource == "arn:aws:s3:::*":
        return "ListAllMyBuckets", {}
    if "/" in resource:
        return _s3_object(method, query), {}
    if method == "POST" and "delete" in query:
        return "DeleteObject", {}
    for part, words in _BUCKET_PARTS.items():
        if part in query:
            return ("Get" if method in ("GET", "HEAD") else "Put") + words, {}
    if "versions" in query:
        return "ListBucketVersions", {"s3:prefix": query.get("prefix", "")}
    if "uploads" in query:
        return "ListBucketMultipartUploads", {}
    if method in ("GET", "HEAD"):
        return "ListBucket", {"s3:prefix": query.get("prefix", "")}
    return ("CreateBucket" if method == "PUT" else "DeleteBucket"), {}


def _unseen(account: str, action: str, resource: str) -> list[tuple[str, str, Tree]]:
    """A caller that may not list a bucket must not learn which objects are missing (GetObject)."""
    name, _, key = resource.removeprefix("arn:aws:s3:::").partition("/")
    bucket = s3_backends[account]["aws"].buckets.get(name)
    if action != "GetObject" or bucket is None or key in bucket.keys:
        return []
    return [("s3:ListBucket", f"arn:aws:s3:::{name}", {"s3:prefix": key})]


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
