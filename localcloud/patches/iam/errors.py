"""Refuse requests in each protocol's form and in AWS's words.

Follows "Common error types" of the services' API references and "Access denied error message
examples" (docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html): EC2 says
UnauthorizedOperation, JSON services AccessDeniedException, the others AccessDenied. EC2 does not
say what is wrong with credentials, or that it is the time (github.com/aws/aws-sdk-java/issues/519).
"""

from typing import Any, NoReturn

from moto.core.errors import COMMON_ERROR_CODES
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.s3.exceptions import S3ClientError
from werkzeug.exceptions import HTTPException

from localcloud.patches.iam.policies import Answer, Check
from localcloud.patches.iam.signatures import SKEWED

JSON = ("json", "rest-json")

# Codes that any service may return, though its model does not name them; moto warns of others.
COMMON_ERROR_CODES += [
    "AccessDenied",
    "AccessDeniedException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
]


class Refusal(ServiceException):  # type: ignore[misc]  # moto has no types
    """An error of the service that was called."""


def deny(
    response: Any, protocol: str, arn: str, check: Check, answer: Answer, kind: str
) -> NoReturn:
    """Refuse an action on a resource, with the reason."""
    reason = reason_of(arn, check, answer, kind)
    if protocol == "ec2":
        message = f"You are not authorized to perform this operation. {reason}. "
        _refuse(
            response,
            403,
            "UnauthorizedOperation",
            message + "Encoded authorization failure message: none",
        )
    code = "AccessDeniedException" if protocol in JSON else "AccessDenied"
    _refuse(response, 400 if protocol == "json" else 403, code, reason)


def reason_of(arn: str, check: Check, answer: Answer, kind: str) -> str:
    """Return why a caller may not do something."""
    article = "an" if kind[0] in "aeiou" else "a"
    why = answer.value.format(action=check.action, kind=kind, article=article)
    what = f"{check.action} on resource: {check.resource} {why}"
    return f"User: {arn} is not authorized to perform: {what}"


def unknown_key(response: Any, protocol: str) -> NoReturn:
    """Refuse an unknown key or session token."""
    if protocol == "ec2":
        _invalid(response)
    code = "UnrecognizedClientException" if protocol in JSON else "InvalidClientTokenId"
    if response.service_name == "s3":
        code = "InvalidAccessKeyId"
    _refuse(response, 403, code, "The security token included in the request is invalid.")


def wrong_signature(response: Any, protocol: str, message: str) -> NoReturn:
    """Refuse a request that was not signed with the key's secret, or not now."""
    if protocol == "ec2":
        _invalid(response)
    code = "InvalidSignatureException" if protocol in JSON else "SignatureDoesNotMatch"
    if message == SKEWED:
        code = "RequestTimeTooSkewed"
    _refuse(response, 403, code, message)


def _invalid(response: Any) -> NoReturn:
    message = "AWS was not able to validate the provided access credentials"
    _refuse(response, 401, "AuthFailure", message)


def unsigned(response: Any) -> NoReturn:
    """Refuse a request without credentials."""
    message = "Request is missing Authentication Token"
    code = "AccessDenied" if response.service_name == "s3" else "MissingAuthenticationToken"
    _refuse(response, 403, code, message)


def _refuse(response: Any, status: int, code: str, message: str) -> NoReturn:
    if response.service_name == "s3":
        error = S3ClientError(code, message)
        error.code, error.message = code, message
        raise error
    _, headers, body = response.serialized(ActionResult(Refusal(code, message)))
    response.response_headers.update(headers)
    shown = HTTPException()
    shown.code, shown.description = status, body
    raise shown
