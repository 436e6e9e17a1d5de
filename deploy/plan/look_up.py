"""Look up what an environment's file names, or find that it is not there. Reads AWS."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from common.clients import error_code, translated
from deploy.plan.finding import Finding

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"})


def look_up(
    what: str,
    call: Callable[[], dict[str, Any]],
    absent: tuple[str, ...],
    *,
    missing: Finding,
    denied: Finding,
) -> dict[str, Any] | Finding:
    """Return the answer of ``call``; ``missing`` where AWS answers a code of ``absent``, and
    ``denied`` where these credentials may not ask. ``what`` is for any other error, which is raised
    as PipelineError.
    """
    with translated(f"looking for {what}"):
        try:
            return call()
        except ClientError as error:
            if error_code(error) in absent:
                return missing
            if error_code(error) in DENIED:
                return denied
            raise
