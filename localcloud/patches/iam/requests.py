"""Turn a request into what IAM has to decide: actions on resources, with condition keys.

Follows "Actions, resources, and condition keys for AWS services" (docs.aws.amazon.com/
service-authorization/latest/reference/). Reads the parameters with moto's own parsers; what S3 is
asked for, which has none: ``resources_s3``.
"""

from typing import Any

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import determine_request_protocol
from moto.core.utils import get_service_model

from localcloud import world
from localcloud.patches.iam import resources_dynamodb
from localcloud.patches.iam.policies import Check
from localcloud.patches.iam.principals import Principal
from localcloud.patches.iam.resources import named_by, passed_by
from localcloud.patches.iam.resources_ec2 import Namer
from localcloud.patches.iam.resources_launch import Tree
from localcloud.patches.iam.resources_s3 import s3_checks
from localcloud.patches.iam.signatures import Signed
from localcloud.times import moment

PREFIXES = {"monitoring": "cloudwatch", "email": "ses"}  # signing name: IAM prefix


def protocol_of(response: Any) -> str:
    """Return the protocol of the request and of its answer."""
    model = get_service_model(response.boto3_service_name)
    content = response.headers.get("Content-Type", "")
    try:
        return str(determine_request_protocol(model, content))
    except NotImplementedError:
        return str(model.protocol)


def checks_of(
    response: Any, signed: Signed, who: Principal, resource: str, via: Tree | None = None
) -> list[Check]:
    """Return everything that has to be allowed for this request.

    ``via`` are the keys of a request that a service sends in its caller's name.
    """
    service = PREFIXES.get(signed.service, signed.service)
    common = _common(who, signed.region) | (via or {})
    where = (response.current_account, signed.region)
    if service == "s3":
        asked = s3_checks(response.normalized_request, where[0], resource)
        return [_check(one, arn, {**common, **keys}) for one, arn, keys in asked]
    action = str(response._get_action())
    parameters = _parameters(response, action)
    named: list[tuple[str, str, Tree]] = []
    if service == "ec2":
        named += Namer(*where).names(action, parameters)
    if service == "dynamodb":
        named += resources_dynamodb.named(where, action, parameters)
    named += [(f"{service}:{action}", *one) for one in named_by(where, service, action, parameters)]
    if not named:
        named = [(f"{service}:{action}", "*", {})]
    named += passed_by(where, service, action, parameters)
    return [_check(one, arn, {**common, **keys}) for one, arn, keys in named]


def check_of(action: str, arn: str, who: Principal, region: str) -> Check:
    """Return what has to be allowed for one action of a caller."""
    return _check(action, arn, _common(who, region))


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
