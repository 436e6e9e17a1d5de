"""The metrics of a leader: a heartbeat every minute, and at once what is news. CloudWatch through
its argument only.
"""

from collections.abc import Callable

from node.contract import AUTOSCALER_WORKING, HEAD_LEADER, HEAD_READY, HEAD_STANDING_BY
from node.head.background_calls import BackgroundCalls

Clock = Callable[[], float]


class Heartbeat:
    """Sends its metrics in the background; ``send`` may block and raise."""

    def __init__(
        self,
        calls: BackgroundCalls,
        send: Callable[[dict[str, float]], object],
        *,
        clock: Clock,
        interval: float,
    ) -> None:
        self._calls, self._send = calls, send
        self._clock, self._interval = clock, interval
        self._next = 0.0

    def step(self, ready: bool | None, autoscaler: bool | None = None) -> None:
        """Send one when it is due, and again until it is sent; call while holding the lease.

        ``ready`` is None before Ray was healthy for the first time, ``autoscaler`` before its first
        round: HeadReady and AutoscalerWorking are left out then.
        """
        if self._clock() >= self._next:
            self._next = self._clock() + self._interval
            self._calls.reset("heartbeat")
        known = {
            HEAD_LEADER: True,
            HEAD_STANDING_BY: False,
            HEAD_READY: ready,
            AUTOSCALER_WORKING: autoscaler,
        }
        values = {name: float(value) for name, value in known.items() if value is not None}
        self._calls.done("heartbeat", lambda: self._send(values))

    def hurry(self) -> None:
        """Have the next step send one."""
        self._next = 0.0

    def report_failure(self) -> None:
        """Send HeadReady 0 now; tried once."""
        self._calls.reset("not ready")
        self._calls.done("not ready", lambda: self._send({HEAD_READY: 0.0}))
