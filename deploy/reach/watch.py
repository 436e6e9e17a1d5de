"""Say when whoever is at the end of a road answers, and when it does not. No AWS but the road's."""

from collections.abc import Callable

import urllib3
from urllib3.exceptions import HTTPError

from common.errors import PipelineError
from common.waiting import Clock
from deploy.reach.road import Road

EVERY = 1.0  # seconds between two looks
CLOSE = {"Connection": "close"}
TIMEOUT = urllib3.Timeout(connect=2.0, read=5.0)


class RoadWatch:
    """Asks for a path at the first port, and that there is a road to the others."""

    def __init__(self, road: Road, path: str, port: int, *others: int) -> None:
        self._road, self._path, self._port, self._others = road, path, port, others
        self._pool = urllib3.PoolManager(retries=False, timeout=TIMEOUT)

    def run(self, clock: Clock, say: Callable[[str], None]) -> None:
        """Say it until interrupted; raises NotReached when there can be no road from here."""
        self._road.check(self._port)
        said, answered_at = "connecting", clock.now()
        say(said)
        while True:
            problem = self._problem()
            if problem and problem != said:
                say(problem)
            elif not problem:
                if said:
                    gap = clock.now() - answered_at
                    say(f"connected to {self._road.led_by} {self._road.words} after {gap:.1f} s")
                answered_at = clock.now()
            said = problem
            clock.sleep(EVERY)

    def _problem(self) -> str:
        """Return why it does not answer; empty when it does."""
        try:
            host, port = self._road.address(self._port)
            for other in self._others:
                self._road.address(other)
            self._pool.request("GET", f"http://{host}:{port}{self._path}", headers=CLOSE)
        except PipelineError as error:
            return error.message
        except HTTPError:
            return "the leader does not answer"
        return ""
