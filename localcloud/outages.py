"""Services that answer with an error for a while, on request.

Follows "Common errors" (docs.aws.amazon.com/amazondynamodb/latest/APIReference/CommonErrors.html,
and as it is in the reference of other services): ThrottlingException with 400, ServiceUnavailable
with 503. DynamoDB throttles calls of data in tables on demand so too (docs.aws.amazon.com/
amazondynamodb/latest/developerguide/Programming.Errors.html). Another process writes each service,
by the name that requests are signed with, and its effect, to a file (``follow``).
"""

import re
from typing import Any

from localcloud.declarations import Declarations

# By effect: the status, the code, and the words.
EFFECTS = {
    "throttled": ("400 Bad Request", "ThrottlingException", "Rate exceeded"),
    "down": (
        "503 Service Unavailable",
        "ServiceUnavailable",
        "The request has failed due to a temporary failure of the server.",
    ),
}
# The credential's scope: key/date/region/service/aws4_request.
SCOPE = re.compile(r"Credential=[^/,]+/\d+/[^/,]*/([^/,]+)/aws4_request")

_declared = Declarations()
follow = _declared.follow  # per line a service and an effect


def outage_of(environ: dict[str, Any]) -> tuple[str, str, str] | None:
    """Return status, code and words that a request is refused with, or None."""
    scope = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    effect = dict(_declared.pairs()).get(scope[1]) if scope else None
    return EFFECTS.get(effect or "")
