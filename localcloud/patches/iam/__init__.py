"""IAM that a test of least privilege can rely on.

moto checks signatures and actions; resources only for S3, conditions hardly. Here every request
made with credentials of a user or a role's session is evaluated with its resources and condition
keys, and refused in AWS's words. ``conditions`` and ``policies`` decide, ``principals`` and
``signatures`` identify the caller, ``requests`` and ``resources`` what is called.

A server calls ``enforce()`` once it has made its operator. A test says ``with enforced():`` and
acts as a role with ``boto3.client(..., **role_credentials("role-name"))``; on a machine of the
local cloud the metadata service hands out the same. Calls of the control plane itself
(``internal``) pass.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.request import Request
from moto.iam.access_control import PermissionResult
from moto.iam.models import get_account_id_from, iam_backends
from moto.s3.models import FakeBucket, s3_backends

from localcloud.account import ACCOUNT, REGION
from localcloud.patches import clocks
from localcloud.patches.iam import accounts, errors, record, requests, signatures
from localcloud.patches.iam.policies import Answer, Check, decide
from localcloud.patches.iam.principals import (
    Principal,
    boundary_of,
    documents_of,
    find_principal,
)
from localcloud.patches.internal import at, call, is_internal, note_caller, principal
from localcloud.world import World

# The keys of what CloudFormation does in its caller's name: docs.aws.amazon.com/IAM/latest/
# UserGuide/reference_policies_condition-keys.html#condition-keys-calledvia
_SERVICE = "cloudformation.amazonaws.com"
VIA = {
    "aws:ViaAWSService": "true",
    "aws:CalledVia": (_SERVICE,),
    "aws:CalledViaFirst": _SERVICE,
    "aws:CalledViaLast": _SERVICE,
}
# Who has a token of an identity provider has no credentials yet: docs.aws.amazon.com/STS/latest/
# APIReference/API_AssumeRoleWithWebIdentity.html
UNSIGNED = ("AssumeRoleWithWebIdentity",)
_enforcing = [False]


def enforce(on: bool = True) -> None:
    """From now on check every request, or none."""
    _enforcing[0] = on


@contextmanager
def enforced(on: bool = True) -> Iterator[None]:
    """Check every request inside, or none."""
    before = _enforcing[0]
    enforce(on)
    try:
        yield
    finally:
        enforce(before)


def role_credentials(role: str, session: str = "test", account: str = ACCOUNT) -> dict[str, str]:
    """Return a role's credentials as arguments of boto3.client; its trust policy is not checked."""
    with at(account, REGION):
        arn = call("iam", "get_role", RoleName=role)["Role"]["Arn"]
        made = call("sts", "assume_role", RoleArn=arn, RoleSessionName=session)["Credentials"]
    return {
        "aws_access_key_id": made["AccessKeyId"],
        "aws_secret_access_key": made["SecretAccessKey"],
        "aws_session_token": made["SessionToken"],
    }


def role_may(arn: str, actions: Iterable[str], resource: str) -> bool:
    """Say whether a role's policies and its boundary allow actions that AWS takes in its name."""
    role = _role(arn)
    if role is None:
        return False
    boundary = boundary_of(arn.split(":")[4], role)
    both = [documents_of(role), *([[boundary]] if boundary else [])]
    checks = [Check(action, resource, {}) for action in actions]
    return all(decide(documents, check) is Answer.ALLOWED for documents in both for check in checks)


def caller_may(response: Any, action: str, resource: str, keys: dict[str, str]) -> bool:
    """Say whether whoever sent a request may do something else too, which AWS does for them."""
    if not _enforcing[0] or is_internal():
        return True
    signed = signatures.read(response.headers.get("Authorization", ""))
    token = response.headers.get("X-Amz-Security-Token")
    who = find_principal(response.current_account, signed.key_id, token) if signed else None
    check = Check(action, resource, {key.lower(): (value,) for key, value in keys.items()})
    if who is None or any(_denials(who, check)):
        return False
    return accounts.owner_of(resource) in ("", who.account) or accounts.lends(check, who)


def holder_may(key_id: str, token: str | None, action: str, resource: str) -> bool:
    """Say whether the holder of these keys may do something at another endpoint of AWS."""
    if not _enforcing[0]:
        return True
    who = find_principal(get_account_id_from(key_id), key_id, token)
    return who is not None and not any(_denials(who, Check(action, resource, {})))


def refusal(request: Any, service: str, action: str, resource: str) -> str:
    """Return why a request to an endpoint that moto lacks is refused; empty: it is allowed.

    ``service``: the name that it has to be signed with. The words of a wrong scope are those of
    docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html.
    """
    if not _enforcing[0]:
        return ""
    signed = signatures.read(request.headers.get("Authorization", ""))
    if signed is None:
        return "Missing Authentication Token"
    who = find_principal(ACCOUNT, signed.key_id, request.headers.get("X-Amz-Security-Token"))
    if who is None:
        return "The security token included in the request is invalid."
    if signed.service != service:
        return f"Credential should be scoped to correct service: '{service}'."
    if signed.region != REGION:
        return f"Credential should be scoped to a valid region, not '{signed.region}'."
    off = clocks.ahead(who.arn)
    if problem := signatures.problem(signed, who.credentials, request, off):
        return problem
    check = requests.check_of(action, resource, who, signed.region)
    denied = next(_denials(who, check), None)
    record.note(who.arn, check, allowed=denied is None)
    return errors.reason_of(who.arn, check, *denied) if denied else ""


def role_decides(name: str, check: Check, account: str = ACCOUNT) -> Answer:
    """Return what a role's own policies say to one action on one resource."""
    role = next(r for r in iam_backends[account]["aws"].roles.values() if r.name == name)
    return decide(documents_of(role), check)


def may_assume(service: str, arn: str) -> bool:
    """Say whether the role's trust policy lets an AWS service assume the role."""
    return decide(_trust(arn), Check("sts:AssumeRole", arn, {}), service) is Answer.ALLOWED


def _trust(arn: str) -> list[str]:
    """Return a role's trust policy; none for an unknown role."""
    role = _role(arn)
    return [role.assume_role_policy_document] if role else []


def _role(arn: str) -> Any:
    roles = iam_backends[arn.split(":")[4]]["aws"].roles.values()
    return next((role for role in roles if role.arn == arn), None)


def make_user(name: str, policy: dict[str, Any], account: str = ACCOUNT) -> dict[str, str]:
    """Make an IAM user with an inline policy; return its credentials as boto3.client takes them."""
    document = json.dumps(policy)
    with at(account, REGION):
        call("iam", "create_user", UserName=name)
        call("iam", "put_user_policy", UserName=name, PolicyName=name, PolicyDocument=document)
        made = call("iam", "create_access_key", UserName=name)["AccessKey"]
    return {
        "aws_access_key_id": made["AccessKeyId"],
        "aws_secret_access_key": made["SecretAccessKey"],
    }


@cache
def install() -> None:
    """Put this evaluation in place of moto's."""
    begin = Request.__init__

    def __init__(self: Any, environ: Any, *args: Any, **given: Any) -> None:  # noqa: N807
        signatures.keep_body(environ)
        begin(self, environ, *args, **given)

    Request.__init__ = __init__
    # moto's S3 checks a bucket's policy again, without its conditions.
    FakeBucket.get_permission = lambda *_: PermissionResult.NEUTRAL
    ActionAuthenticatorMixin._authenticate_and_authorize_action = _authorize


def attach(world: World) -> None:
    """Nothing happens here by itself."""


def _authorize(response: Any, _request_class: type, resource: str = "*") -> None:
    if not _enforcing[0]:
        if not is_internal():
            note_caller(None)
        return
    protocol = requests.protocol_of(response)
    signed = signatures.read(response.headers.get("Authorization", ""))
    if is_internal():
        if (acting := principal()) and signed:
            for check in requests.checks_of(response, signed, acting, resource, VIA):
                _permit(response, protocol, acting, check)
        return
    if signed is None:
        if response._get_action() in UNSIGNED:
            note_caller(None)
            return
        errors.unsigned(response)
    token = response.headers.get("X-Amz-Security-Token")
    who = find_principal(response.current_account, signed.key_id, token)
    if who is None:
        errors.unknown_key(response, protocol)
    off = clocks.ahead(who.arn)
    if problem := signatures.problem(signed, who.credentials, response.normalized_request, off):
        errors.wrong_signature(response, protocol, problem)
    note_caller(who)
    for check in requests.checks_of(response, signed, who, resource):
        _permit(response, protocol, who, check)


def _permit(response: Any, protocol: str, who: Principal, check: Check) -> None:
    try:
        _decide(response, protocol, who, check)
    except Exception:
        record.note(who.arn, check, allowed=False)
        raise
    record.note(who.arn, check, allowed=True)


def _decide(response: Any, protocol: str, who: Principal, check: Check) -> None:
    if check.action == "sts:GetCallerIdentity":  # allowed even to those who are denied it
        return
    by_resource = decide(_resource_policies(check), check, who.arn)
    by_identity = decide(who.documents, check)
    if check.action == "sts:AssumeRole" and by_resource is not Answer.ALLOWED:
        errors.deny(response, protocol, who.arn, check, Answer.NOT_ALLOWED, "resource-based")
    if by_resource is Answer.DENIED:
        errors.deny(response, protocol, who.arn, check, by_resource, "resource-based")
    if accounts.owner_of(check.resource) not in ("", who.account):
        if by_identity is not Answer.ALLOWED:
            errors.deny(response, protocol, who.arn, check, by_identity, "identity-based")
        if by_resource is not Answer.ALLOWED and not accounts.lends(check, who):
            errors.deny(response, protocol, who.arn, check, by_resource, "resource-based")
    if by_identity is Answer.DENIED or Answer.ALLOWED not in (by_identity, by_resource):
        errors.deny(response, protocol, who.arn, check, by_identity, "identity-based")
    for answer, kind in _limits(who, check):
        errors.deny(response, protocol, who.arn, check, answer, kind)


def _limits(who: Principal, check: Check) -> Iterator[tuple[Answer, str]]:
    """Yield what keeps a caller from what its own policies allow, and that policy's kind."""
    for kind, document in (
        ("permissions boundary", who.boundary),
        ("session", who.session_policy),
    ):
        if document and (answer := decide([document], check)) is not Answer.ALLOWED:
            yield answer, kind


def _denials(who: Principal, check: Check) -> Iterator[tuple[Answer, str]]:
    """Yield what does not allow something to a caller, where the resource has no policy."""
    if (answer := decide(who.documents, check)) is not Answer.ALLOWED:
        yield answer, "identity-based"
    yield from _limits(who, check)


def _resource_policies(check: Check) -> list[str]:
    """Return the policy that the resource itself carries: a bucket's, or a role's trust."""
    if check.action == "sts:AssumeRole":
        return _trust(check.resource)
    if check.resource.startswith("arn:aws:s3:::"):
        name = check.resource.removeprefix("arn:aws:s3:::").partition("/")[0]
        owner = accounts.owner_of(check.resource) or ACCOUNT
        bucket = s3_backends[owner]["aws"].buckets.get(name)
        policy = getattr(bucket, "policy", None)
        return [policy.decode() if isinstance(policy, bytes) else policy] if policy else []
    return []
