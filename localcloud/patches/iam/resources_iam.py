"""The resources of requests to IAM, with the keys of boundaries and tags.

Follows "Actions, resources, and condition keys for AWS Identity and Access Management"
(docs.aws.amazon.com/service-authorization/latest/reference/
list_awsidentityandaccessmanagementiam.html): ``iam:PermissionsBoundary`` is the boundary that a
request sets, or else the one that the role has.
"""

from typing import Any

from moto.iam.models import iam_backends

from localcloud.patches.iam.principals import tag_pairs

Tree = dict[str, Any]
Where = tuple[str, str]  # account, region
Named = tuple[str, Tree]  # ARN, condition keys

BY_NAME = (
    ("profile", "InstanceProfileName", "instance-profile"),
    ("role", "RoleName", "role"),
    ("user", "UserName", "user"),
)


def named(where: Where, action: str, parameters: Tree) -> list[Named]:
    """Return the ARNs that a request touches, with their condition keys."""
    backend: Any = iam_backends[where[0]]["aws"]
    if action == "CreateServiceLinkedRole":
        service = str(parameters.get("AWSServiceName"))
        arn = f"arn:aws:iam::{where[0]}:role/aws-service-role/{service}/*"
        return [(arn, {"iam:AWSServiceName": service})]
    held = {"role": backend.roles, "user": backend.users, "profile": backend.instance_profiles}
    for kind, parameter, prefix in BY_NAME:
        if name := parameters.get(parameter):
            found: Any = next((one for one in held[kind].values() if one.name == name), None)
            made = f"arn:aws:iam::{where[0]}:{prefix}{parameters.get('Path') or '/'}{name}"
            return [(found.arn if found else made, _keys(found, kind, parameters))]
    if given := parameters.get("PolicyArn") or parameters.get("OpenIDConnectProviderArn"):
        return [(str(given), {})]
    if action == "CreatePolicy":
        path = parameters.get("Path") or "/"
        return [(f"arn:aws:iam::{where[0]}:policy{path}{parameters['PolicyName']}", {})]
    return []


def assumed(where: Where, action: str, parameters: Tree) -> list[Named]:
    """Return the role of a request to STS, in whichever account it is, with its tags.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html
    """
    arn = str(parameters.get("RoleArn") or "")
    if not arn:
        return []
    roles: Any = iam_backends[arn.split(":")[4]]["aws"].roles.values()
    tags = next((tag_pairs(role.tags) for role in roles if role.arn == arn), {})
    return [(arn, {f"aws:ResourceTag/{key}": value for key, value in tags.items()})]


def _keys(found: Any, kind: str, parameters: Tree) -> Tree:
    if kind != "role":
        return {}
    boundary = parameters.get("PermissionsBoundary")
    if boundary is None and found is not None:
        boundary = found.permissions_boundary_arn or None
    pairs = tag_pairs(found.tags) if found is not None else {}
    resource = {f"aws:ResourceTag/{key}": value for key, value in pairs.items()}
    return {"iam:PermissionsBoundary": boundary, **resource}
