"""Step the guard until its end, under systemd: readiness, signs of life, SIGTERM. No AWS."""

import signal
import time
from collections.abc import Callable

from node.head.guard import Guard
from node.head.phases import Phase
from node.notify import notify

TICK = 0.25


class StopRequest:
    """Set by SIGTERM and looked at between steps: a handler must not change a step under way."""

    def __init__(self) -> None:
        self.made = False

    def listen(self) -> "StopRequest":
        """Be set by SIGTERM from now on."""
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
    """Step until the end; feed systemd's watchdog only when the guard says so."""
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
