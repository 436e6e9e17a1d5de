"""Hints: what to do follows from the error's code and words, not from the call.

The codes are AWS's own, of the services' API references and of recorded responses:
docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from common.clients import translated
from common.error_hints import hint_for
from common.errors import Unanswered

CODES = {
    "correct the value that AWS names": (
        "ValidationError",
        "ValidationException",
        "InvalidParameterValue",
        "InvalidParameterCombination",
        "MissingParameter",
        "MalformedPolicyDocument",
        "InvalidAMIID.Malformed",
        "InvalidServiceName",
        "ParameterPatternMismatchException",
        "InvalidKMSKey.InvalidState",
        "TagLimitExceeded",
        "UnknownParameter",
        "UnknownVolumeType",
        "TagPolicyViolation",
        "DuplicateSubnetsInSameZone",
        "VolumeTypeNotAvailableInZone",
    ),
    "allow that action": (
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "AuthorizationError",
        "OptInRequired",
        "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
        "ForbiddenException",
    ),
    "renew the credentials": (
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "AuthFailure",
        "SignatureDoesNotMatch",
        "RequestExpired",
    ),
    "clock": (
        "RequestTimeTooSkewed",
        "RequestExpired",
        "InvalidSecurity.RequestHasExpired",
        "AuthFailure",
    ),
    "correct its name or id": (
        "InvalidSubnetID.NotFound",
        "InvalidAMIID.NotFound",
        "NoSuchBucket",
        "NoSuchEntity",
        "NoSuchHostedZone",
        "ResourceNotFoundException",
        "ParameterNotFound",
        "LoadBalancerNotFound",
        "InvalidAMIID.Unknown",
        "InvalidAMIID.Unavailable",
        "VPCIdNotSpecified",
    ),
    "free addresses in that subnet": ("InsufficientFreeAddressesInSubnet",),
    "enlarge its capacity reservation": ("ReservationCapacityExceeded",),
    "open a case with AWS Support": ("Blocked", "PendingVerification", "AccountDisabled"),
    "request a higher quota": (
        "LimitExceededException",
        "VcpuLimitExceeded",
        "VpcLimitExceeded",
        "AddressLimitExceeded",
        "ServiceQuotaExceededException",
        "TooManyLoadBalancers",
        "ResourceCountExceeded",
    ),
    "try again later": ("InsufficientInstanceCapacity", "UnfulfillableCapacity", "Unsupported"),
    "wait a minute": (
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "SlowDown",
        "ProvisionedThroughputExceededException",
        "OperationInProgressException",
        "IncorrectInstanceState",
        "PriorRequestNotComplete",
        "InvalidState",
        "InvalidInstanceState",
        "ConcurrentSnapshotLimitExceeded",
        "PendingSnapshotLimitExceeded",
        "RetryableError",
        "OperationAborted",
        "ResourceContention",
        "SnapshotCreationPerVolumeRateExceeded",
    ),
    "remove it, or choose another name": (
        "AlreadyExistsException",
        "EntityAlreadyExists",
        "BucketAlreadyExists",
        "ResourceInUseException",
        "InvalidPermission.Duplicate",
        "Resource.AlreadyAssociated",
        "DependencyViolation",
        "DeleteConflict",
        "ConflictingDomainExists",
        "HostedZoneNotEmpty",
    ),
    "AWS has trouble": (
        "InternalError",
        "InternalFailure",
        "ServiceUnavailable",
        "Unavailable",
        "HealthUnavailable",
        "503",
    ),
    "look that code up": ("UnmodifiableEntity",),
}


@pytest.mark.parametrize(
    ("code", "words"), [(code, words) for words, codes in CODES.items() for code in codes]
)
def test_the_hint_follows_from_the_code(code: str, words: str) -> None:
    assert words in hint_for(code)


EXPIRED = "Signature expired: 20260627T140000Z is now earlier than 20260627T141500Z"
EARLY = "Signature not yet current: 20260627T150000Z is still later than 20260627T144500Z"
WRONG = "The request signature we calculated does not match the signature you provided."


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidSignatureException"])
def test_a_signature_of_another_time_is_the_clock_s_and_any_other_the_credentials(
    code: str,
) -> None:
    answers: list[Any] = [
        {"Error": {"Code": code, "Message": words}} for words in (EXPIRED, EARLY, WRONG)
    ]
    hints = []
    for answer in answers:
        with pytest.raises(Unanswered) as failed, translated("reading the caller's identity"):
            raise ClientError(answer, "GetCallerIdentity")
        hints.append(failed.value.hint.partition(":")[0])

    assert hints == ["correct this machine's clock"] * 2 + ["renew the credentials"]


def test_a_refused_value_is_no_matter_of_permissions() -> None:
    answer: Any = {"Error": {"Code": "ValidationError", "Message": "LoadBalancerName too long"}}

    with pytest.raises(Unanswered) as failed, translated("creating the load balancer"):
        raise ClientError(answer, "CreateLoadBalancer")

    assert "AWS answered ValidationError: LoadBalancerName too long" in failed.value.message
    assert failed.value.hint == "correct the value that AWS names, in the environment's file"
