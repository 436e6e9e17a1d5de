"""What a job is called by those who submitted it. Asks the leader's dashboard; no AWS.

Ray's own id of a job, which names the files of its workers, is a number that Ray counts up;
whoever submitted the job knows the name of the submission. GET /api/jobs/ID takes both
(ray/dashboard/modules/job/job_head.py, get_job_info, Ray 2.60).
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from node.contract import DASHBOARD_PORT

SECONDS = 2.0  # for one answer
PAUSE = 5.0  # seconds after a failure in which it is not asked again
PATIENCE = 30.0  # seconds until a job that no dashboard knows keeps Ray's id

Fetch = Callable[[str], "dict[str, object] | None"]


class JobNames:
    """Answers are kept: in one session a job never changes its name.

    Without stored state, the Ray of another head counts its jobs from the beginning.
    """

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch, self._clock = fetch, clock
        self._known: dict[tuple[str, str], str] = {}
        self._asked: dict[tuple[str, str], float] = {}  # when first
        self._quiet_until = 0.0

    def name(self, session: str, job_id: str) -> str:
        """Return the submission, or Ray's id of a job that no one submitted; empty: not yet known.

        A driver that was not submitted, such as that of a Ray client, has only Ray's id.
        """
        key = (session, job_id)
        if key not in self._known:
            since = self._asked.setdefault(key, self._clock())
            if not self._ask(key):
                return "" if self._clock() - since < PATIENCE else job_id
        return self._known[key]

    def _ask(self, key: tuple[str, str]) -> bool:
        """Ask, unless that has just failed; say whether there was an answer."""
        if self._clock() < self._quiet_until:
            return False
        try:
            found = self._fetch(key[1]) or {}
        except (OSError, ValueError):  # no leader, no token yet, or no answer of Ray's
            self._quiet_until = self._clock() + PAUSE
            return False
        self._known[key] = str(found.get("submission_id") or key[1])
        return True


class Dashboard:
    """The dashboard at a host; each call reads the token, so that a rotated one is used at once."""

    def __init__(self, host: str, token: Path, port: int = DASHBOARD_PORT) -> None:
        self._host, self._token, self._port = host, token, port

    def job(self, job_id: str) -> dict[str, object] | None:
        """Return what it says of a job; None when it knows none. Raises OSError and ValueError."""
        token = self._token.read_text(encoding="utf-8").strip()
        request = urllib.request.Request(
            f"http://{self._host}:{self._port}/api/jobs/{job_id}",
            headers={"Authorization": f"Bearer {token}"},
        )
        # Inside the cluster: a proxy from the environment must not see the token.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=SECONDS) as response:
                found = json.loads(response.read())
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise
        if not isinstance(found, dict):
            raise ValueError("not a job")
        return found
