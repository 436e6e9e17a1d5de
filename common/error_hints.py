"""What to do about an error that AWS answers, by its code and words. Pure: no AWS.

Services name the same trouble differently, so codes are compared by what they begin or end with,
or contain. Codes of many services:
docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
"""

import re

CREDENTIALS = "renew the credentials: `aws sso login`, or choose another AWS_PROFILE"
# EC2 answers RequestExpired and AuthFailure for both: github.com/aws/aws-sdk-java/issues/519.
EXPIRED = f"{CREDENTIALS}; or correct this machine's clock"
CLOCK = "correct this machine's clock: AWS refuses requests that are more than 5 minutes off"
# Said with the code of a wrong signature, SignatureDoesNotMatch or InvalidSignatureException:
# docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
UNTIMELY = re.compile(r"^Signature (expired|not yet current)\b")
PERMISSIONS = "allow that action to the credentials in use; does a policy above them deny it?"
ABSENT = "correct its name or id in the environment's file, or create it; is the region right?"
VALUE = "correct the value that AWS names, in the environment's file"
LIMIT = "request a higher quota (Service Quotas), or delete what is not used any more"
CAPACITY = "try again later, or add instance types or zones"
ADDRESSES = "free addresses in that subnet, or name larger subnets in the environment's file"
RESERVATION = "lower max of that group, enlarge its capacity reservation, or wait until it has room"
ACCOUNT = "AWS holds this account back: see its health dashboard, or open a case with AWS Support"
BUSY = "wait a minute, then run the same command again"
IN_USE = "find what has that name or uses it; remove it, or choose another name"
OUTAGE = "AWS has trouble: run the same command again; health.aws.amazon.com shows outages"
UNKNOWN = "look that code up in AWS's API reference of the service"

# The first that matches counts. What begins with Invalid names what was sent, however it ends.
HINTS = tuple(
    (re.compile(pattern), hint)
    for pattern, hint in (
        (r"^RequestTimeTooSkewed$|^RequestInTheFuture|RequestHasExpired$", CLOCK),
        (r"^RequestExpired$|^AuthFailure$", EXPIRED),
        (
            r"^ExpiredToken|^TokenRefreshRequired$|^InvalidClientTokenId$|^UnrecognizedClient|"
            r"^InvalidAccessKeyId$|^SignatureDoesNotMatch$|"
            r"^InvalidSignature|^IncompleteSignature|^MissingAuthenticationToken|^InvalidToken$",
            CREDENTIALS,
        ),
        (r"^Blocked$|^PendingVerification$|^AccountDisabled$", ACCOUNT),
        (
            r"AccessDenied|^Unauthorized|NotAuthorized|^AuthorizationError|^OptInRequired$|^403$|"
            r"^AuthFailure\.|^Forbidden",
            PERMISSIONS,
        ),
        (
            r"Throttl|^RequestLimitExceeded$|TooManyRequests|^SlowDown$|ThroughputExceeded|"
            r"RateExceeded$|^(Concurrent|Pending)\w+LimitExceeded$|^ResourceContention|"
            r"^ServiceLinkedRoleFailure|^Retryable",
            BUSY,
        ),
        (r"^InsufficientFreeAddresses", ADDRESSES),
        (r"^ReservationCapacityExceeded$", RESERVATION),
        (r"^Insufficient.*Capacity|^UnfulfillableCapacity$|^Unsupported$", CAPACITY),
        (
            r"^TagLimitExceeded$|^FilterLimitExceeded$|^DuplicateSubnetsInSameZone$|"
            r"^TagPolicyViolation$",
            VALUE,
        ),
        (r"LimitExceeded|LimitsExceeded|QuotaExceeded|CountExceeded|^TooMany", LIMIT),
        (r"^Invalid.*\.(Unavailable|NotAvailable)$", ABSENT),
        (
            r"Internal|^(?!Invalid).*Unavailable|^ServiceFailure$|^5\d\d$|^Unknown$|RequestTimeout",
            OUTAGE,
        ),
        (r"NotFound|^NoSuch|NotExist|NonExist|\.Unknown$|^404$|^VPC\w*NotSpecified$", ABSENT),
        (
            r"InProgress|^(Incorrect|Invalid)\w*State$|Concurrent|Pending|NotReady|NotComplete|"
            r"TryAgain|^OperationAborted$|^TransactionConflict",
            BUSY,
        ),
        (r"Already|InUse|Duplicate|Dependen|Conflict|NotEmpty", IN_USE),
        (
            r"Validation|Invalid|Malformed|Missing|Mismatch|NotSupported|Unsupported|TooLarge|"
            r"^Unknown\w|NotAvailableInZone$|^VolumeIOPSLimit$",
            VALUE,
        ),
    )
)


def hint_for(code: str, words: str = "") -> str:
    """Return what to do about an error, by its code, as ``ValidationError``, and AWS's words."""
    if UNTIMELY.match(words):
        return CLOCK
    return next((hint for pattern, hint in HINTS if pattern.search(code)), UNKNOWN)
