"""Whether Ray answers on this head, as of the last check. No AWS."""

from collections.abc import Callable

from node.head.phases import Limits
from node.head.ray_head import RayHead

Clock = Callable[[], float]


class RayHealth:
    """The health of a Ray that has come up; ``check`` whenever ``is_due``."""

    def __init__(self, ray: RayHead, limits: Limits, *, clock: Clock) -> None:
        self._ray, self._limits, self._clock = ray, limits, clock
        self.is_good = False
        self._good_at = 0.0
        self._next_check = 0.0

    def begin(self) -> None:
        """Ray has come up: it is healthy."""
        self.is_good, self._good_at = True, self._clock()

    def end(self) -> None:
        """Ray is being stopped: it is not healthy any more."""
        self.is_good = False

    @property
    def is_due(self) -> bool:
        """True when Ray should be checked again."""
        return self._clock() >= self._next_check

    def check(self) -> bool:
        """Ask Ray; return whether that changed its health."""
        self._next_check = self._clock() + self._limits.check_interval
        before, self.is_good = self.is_good, self._ray.is_healthy()
        if self.is_good:
            self._good_at = self._clock()
        return self.is_good != before

    @property
    def is_lost(self) -> bool:
        """True when Ray has not answered for too long."""
        silent = self._clock() - self._good_at
        return not self.is_good and silent > self._limits.unhealthy_timeout
