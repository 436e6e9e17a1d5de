"""Cancel work that runs in several threads. No AWS.

Ctrl-C reaches the main thread alone. It cancels; each thread cleans up after itself, and ends.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from common.errors import Refused


class Cancelled(Refused):
    """The work was cancelled."""


class Cancellation:
    """Whether the work is cancelled, and what to call when it is."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._calls: list[Callable[[], None]] = []
        self.requested = False

    def request(self) -> None:
        """Cancel."""
        with self._lock:
            self.requested = True
            for call in self._calls:
                call()

    def check(self) -> None:
        """Raise Cancelled once the work is cancelled."""
        if self.requested:
            raise Cancelled("cancelled")

    @contextmanager
    def calling(self, call: Callable[[], None]) -> Iterator[None]:
        """Have ``call`` called if the work is cancelled meanwhile, or is already."""
        with self._lock:
            self._calls.append(call)
            if self.requested:
                call()
        try:
            yield
        finally:
            with self._lock:
                self._calls.remove(call)
