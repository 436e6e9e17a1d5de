"""Give this instance up, and log why. ``python -m node.give_up`` in ray-give-up.service. Writes to
Auto Scaling and CloudWatch.

A head completes its launch hook with ABANDON, or declares itself unhealthy once past it: its group
terminates and replaces it. A worker may do neither and powers off, as does a head that its group
does not wait for yet: exit code 1 triggers the FailureAction of ray-give-up.service.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from node.clients import make_client
from node.contract import BOOTSTRAP_LOGS, GAVE_UP, GIVING_UP, WORKER
from node.identity import Identity
from node.log import ERROR, INFO, WARNING, EventLog, Log
from node.logs.progress import PROGRESS, Progress
from node.reports import Reports

LINES = 20
AWS_REPLACES, POWER_OFF = 0, 1
SHIPPED_SECONDS = 5.0  # ray-logs.service sends a line within about two


def give_up(identity: Identity, reports: Reports, log: Log) -> int:
    """Report it; return the exit code, which says whether AWS replaces us or we power off."""
    attempt("metric", lambda: reports.metrics({GAVE_UP: 1.0}, role=identity.role), log)
    if identity.role == WORKER:
        return POWER_OFF
    if attempt("abandon", lambda: _abandon(reports), log):
        return AWS_REPLACES
    return POWER_OFF


def _abandon(reports: Reports) -> None:
    """Raises NotInHook for a head without a group, as for one whose hook does not wait yet."""
    if not reports.complete_launch("ABANDON"):
        reports.declare_unhealthy()


def attempt(what: str, call: Callable[[], object], log: Log) -> bool:
    """Make one call and log its outcome; catches everything, since nothing is left to handle it."""
    try:
        call()
    except Exception as error:
        log("could not report", level=WARNING, what=what, error=error)
        return False
    log("reported", level=INFO, what=what)
    return True


def last_words(path: Path) -> list[str]:
    """Return the end of the bootstrap log, which says why; empty when there is no log."""
    if not path.is_file():
        return []
    return path.read_text(encoding="utf-8", errors="replace").splitlines()[-LINES:]


def await_shipped(
    since: float, progress: Progress, *, seconds: float = SHIPPED_SECONDS, every: float = 0.2
) -> None:
    """Wait until the lines logged since then (seconds since the epoch) have been shipped.

    Raises TimeoutError; ray-logs.service tries once more at shutdown.
    """
    deadline = time.monotonic() + seconds
    while progress.shipped_until() < since * 1000:
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {seconds:.0f} s")
        time.sleep(every)


def main() -> int:
    """Repeat the end of the log on journal and console, wait until it is shipped, then give up."""
    log, began = EventLog(), time.time()
    try:
        identity = Identity.read()
    except (OSError, ValueError, TypeError) as error:
        log("giving up without an identity", level=ERROR, error=error)
        attempt("logs", lambda: await_shipped(began, Progress(PROGRESS)), log)
        return POWER_OFF
    log(GIVING_UP, level=ERROR, instance=identity.instance_id, role=identity.role)
    for line in last_words(Path(BOOTSTRAP_LOGS[identity.role])):
        print(line, file=sys.stderr)
    attempt("logs", lambda: await_shipped(began, Progress(PROGRESS)), log)
    cloudwatch = make_client("cloudwatch", identity.region)
    autoscaling = make_client("autoscaling", identity.region)
    return give_up(identity, Reports(identity, cloudwatch, autoscaling), log)


if __name__ == "__main__":
    sys.exit(main())
