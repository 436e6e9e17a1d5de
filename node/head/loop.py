"""Step the guard until it ends, under systemd: readiness, watchdog, SIGTERM. No AWS."""

import signal
import time
from collections.abc import Callable

from node.head.guard import Guard
from node.head.phases import Phase
from node.notify import notify

TICK = 0.25


class StopRequest:
    """Set by SIGTERM and read between steps: a signal handler must not interfere with a step."""

    def __init__(self) -> None:
        self.made = False

    def listen(self) -> "StopRequest":
        """Handle SIGTERM from now on."""
        signal.signal(signal.SIGTERM, self._handle)
        return self

    def _handle(self, *_: object) -> None:
        self.made = True


def run(
    guard: Guard,
    stop: StopRequest,
    *,
    notify: Callable[[str], None] = notify,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Step until the guard has ended, and return its exit code; it decides on the watchdog."""
    ready = False
    while guard.phase is not Phase.ENDED:
        if stop.made and guard.exit_code is None:
            guard.shut_down()
        guard.step()
        if not ready and guard.phase is Phase.STANDBY:
            ready = True
            notify("READY=1")
        if guard.may_feed_watchdog():
            notify(f"WATCHDOG=1\nSTATUS={guard.phase.value}, epoch {guard.lease.epoch}")
        sleep(TICK)
    return guard.exit_code or 0
