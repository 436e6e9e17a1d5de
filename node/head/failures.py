"""How often Ray has failed on this head of late. Pure: no AWS."""

from collections.abc import Callable

from node.head.phases import Limits

Clock = Callable[[], float]


class Failures:
    """Ray's failures within a window that ends with the last one."""

    def __init__(self, limits: Limits, *, clock: Clock) -> None:
        self._limits, self._clock = limits, clock
        self._times: list[float] = []

    def __len__(self) -> int:
        return len(self._times)

    def add(self) -> None:
        """Count a failure that happened now; forget those before the window."""
        now = self._clock()
        recent = [time for time in self._times if time > now - self._limits.failure_window]
        self._times = [*recent, now]

    @property
    def are_too_many(self) -> bool:
        """True when this head should not try again."""
        return len(self._times) > self._limits.max_failures

    @property
    def is_pause_over(self) -> bool:
        """True unless Ray failed a moment ago, so that a standby should take the lease first."""
        return not self._times or self._clock() >= self._times[-1] + self._limits.failure_pause
