"""Ray's autoscaler, started again when its process has ended. No AWS.

``ray start --block`` looks once a second for processes that have ended. One that ended with 0 or by
SIGTERM it ignores, so that no worker is ever launched again; after any other it ends all of Ray
(ray/scripts/scripts.py, Ray 2.60), so that an autoscaler which the kernel kills for its memory ends
every job. Ray itself restarts none, and says that one could go on from what it finds
(ray/autoscaler/v2/monitor.py): as on the next head, it knows its workers by their tags. So the
guard starts it (autoscaler.py), beside ``ray start --no-monitor``.

One that runs and completes no round is killed when the guard says so, and started again in the same
way. One that ends at each start is tried less and less often, without an end, since it may be its
configuration that is corrected. Meanwhile no round is completed, which the guard reports.
"""

import subprocess
import sys
import time
from collections.abc import Callable

PAUSE = 1.0  # seconds before the first start; doubled with each that follows
MAX_PAUSE = 60.0
STEADY = 300.0  # seconds after which an end is the first again

Begin = Callable[[], "subprocess.Popen[bytes]"]


class AutoscalerProcess:
    """Starts Ray's autoscaler by ``begin`` and, as often as ``step`` is called, starts it again."""

    def __init__(self, begin: Begin, clock: Callable[[], float] = time.monotonic) -> None:
        self._begin, self._clock = begin, clock
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._pause = PAUSE
        self._start_at: float | None = None  # when to start it again, once it has ended

    def start(self) -> None:
        self._began, self._start_at = self._clock(), None
        self._process = self._begin()

    def forget(self) -> None:
        """Start it no more: it was killed with the rest of Ray."""
        self._process, self._start_at = None, None

    def kill(self) -> None:
        """Kill it, to be started again."""
        if self._process and self._process.poll() is None:
            print("the autoscaler completes no round; it is killed", file=sys.stderr, flush=True)
            self._process.kill()

    def step(self) -> None:
        """Look at it once; does not block."""
        if self._process is None or self._process.poll() is None:
            return
        now = self._clock()
        if self._start_at is None:
            self._pause = PAUSE if now - self._began >= STEADY else self._pause
            self._start_at = now + self._pause
            self._pause = min(MAX_PAUSE, 2 * self._pause)
            code, pause = self._process.returncode, self._start_at - now
            words = f"the autoscaler has ended: {code}; it is started again in {pause:.0f} s"
            print(words, file=sys.stderr, flush=True)
        if now >= self._start_at:
            self.start()
