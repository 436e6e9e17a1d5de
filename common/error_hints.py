"""What to do about an error that AWS answers, by its code. Pure: no AWS.

Services name the same trouble differently, so codes are compared by what they begin or end with,
or contain. Codes of many services:
docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
"""

import re

CREDENTIALS = "renew the credentials: `aws sso login`, or choose another AWS_PROFILE"
CLOCK = "correct this machine's clock: AWS refuses requests that are more than 5 minutes off"
PERMISSIONS = "allow that action to the credentials in use; does a policy above them deny it?"
ABSENT = "correct its name or id in the environment's file, or create it; is the region right?"
VALUE = "correct the value that AWS names, in the environment's file"
LIMIT = "request a higher quota (Service Quotas), or delete what is not used any more"
CAPACITY = "try again later, or add instance types or zones"
BUSY = "wait a minute, then run the same command again"
IN_USE = "find what has that name or uses it; remove it, or choose another name"
OUTAGE = "AWS has trouble: run the same command again; health.aws.amazon.com shows outages"
UNKNOWN = "look that code up in AWS's API reference of the service"

# The first that matches counts.
HINTS = tuple(
    (re.compile(pattern), hint)
    for pattern, hint in (
        (r"^RequestTimeTooSkewed$|^RequestExpired$|^RequestInTheFuture", CLOCK),
        (
            r"^ExpiredToken|^TokenRefreshRequired$|^InvalidClientTokenId$|^AuthFailure$|"
            r"^UnrecognizedClient|^InvalidAccessKeyId$|^SignatureDoesNotMatch$|"
            r"^InvalidSignature|^IncompleteSignature|^MissingAuthenticationToken|^InvalidToken$",
            CREDENTIALS,
        ),
        (
            r"AccessDenied|^Unauthorized|NotAuthorized|^AuthorizationError|^OptInRequired$|^403$",
            PERMISSIONS,
        ),
        (r"Throttl|^RequestLimitExceeded$|TooManyRequests|^SlowDown$|ThroughputExceeded", BUSY),
        (r"^Insufficient.*Capacity|^Unsupported$", CAPACITY),
        (r"LimitExceeded|LimitsExceeded|QuotaExceeded|^TooMany|MaxSpotInstanceCount", LIMIT),
        (r"Internal|Unavailable|^ServiceFailure$|^5\d\d$|^Unknown$|RequestTimeout", OUTAGE),
        (r"NotFound|^NoSuch|NotExist|NonExist|\.Unknown$|^404$", ABSENT),
        (r"InProgress|^Incorrect.*State$|Concurrent|Pending|NotReady|NotComplete|TryAgain", BUSY),
        (r"AlreadyExist|AlreadyOwned|InUse|Duplicate|Dependen|Conflict|NotEmpty", IN_USE),
        (r"Validation|Invalid|Malformed|Missing|Mismatch|NotSupported|Unsupported|TooLarge", VALUE),
    )
)


def hint_for(code: str) -> str:
    """Return what to do about an error with this code, for example ``ValidationError``."""
    return next((hint for pattern, hint in HINTS if pattern.search(code)), UNKNOWN)
