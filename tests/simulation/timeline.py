"""The simulation's clock: time jumps from one planned event to the next. No AWS.

Nothing here waits for real. A sleep (in deploy's waiting, in a test) lets other events happen; an
event must not sleep, since no other could happen then.
"""

import heapq
from collections.abc import Callable
from itertools import count

Call = Callable[[], object]


class Event:
    """Something planned; ``cancel`` takes it back."""

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        self.call: Call | None = call

    def cancel(self) -> None:
        """Forget it; does nothing once it has happened."""
        self.call = None


class Timeline:
    """A clock (``now``, ``sleep``) that runs what was planned, in order, as time passes."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = start
        self._planned: list[tuple[float, int, Event]] = []
        self._number = count()
        self._running = False
        self.events = 0

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._now

    def after(self, seconds: float, call: Call) -> Event:
        """Plan a call; those of one moment happen in the order in which they were planned."""
        event = Event(call)
        heapq.heappush(self._planned, (self._now + max(0.0, seconds), next(self._number), event))
        return event

    def every(self, seconds: float, call: Call) -> None:
        """Plan a call again and again."""

        def run() -> None:
            call()
            self.after(seconds, run)

        self.after(seconds, run)

    def sleep(self, seconds: float) -> None:
        """Let time pass; raises RuntimeError inside an event."""
        if self._running:
            raise RuntimeError("an event of the simulation may not wait")
        end = self._now + seconds
        while self._planned and self._planned[0][0] <= end:
            when, _, event = heapq.heappop(self._planned)
            self._happen(when, event)
        self._now = end

    def until(self, state: Callable[[], bool], seconds: float, what: str) -> float:
        """Let time pass until a state is reached, and return how long that took.

        Raises AssertionError naming ``what`` when it is not reached in so many seconds.
        """
        began, end = self._now, self._now + seconds
        while not state():
            if self._now >= end:
                raise AssertionError(f"not within {seconds:.0f} s: {what}")
            self.sleep(min(0.5, end - self._now))
        return self._now - began

    def _happen(self, when: float, event: Event) -> None:
        call, event.call = event.call, None
        if call is None:
            return
        self._now = max(self._now, when)
        self.events += 1
        self._running = True
        try:
            call()
        finally:
            self._running = False
