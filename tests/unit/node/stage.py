"""Simulated time for code that blocks: each actor is a thread that waits where the real one would.

One actor at a time is let go, in the order of simulated time, so that a story is told the same
way twice.
"""

import heapq
import itertools
from collections.abc import Callable
from threading import Semaphore, Thread


class Killed(BaseException):
    """This actor's process has been killed."""


class Stage:
    """Simulated time; lets one actor run at a time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.over = False
        self.errors: list[BaseException] = []
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._back = Semaphore(0)

    def at(self, time: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (max(time, self.now), next(self._order), act))

    def actor(self, play: Callable[[], None]) -> None:
        """Have ``play`` run from now on; it may call ``wait``."""
        thread = Thread(target=self._played, args=(play,), daemon=True)
        self.at(self.now, lambda: self._let_go(thread.start))

    def wait(self, seconds: float) -> None:
        turn = Semaphore(0)
        self.at(self.now + seconds, lambda: self._let_go(turn.release))
        self._back.release()
        turn.acquire()
        if self.over:
            raise Killed

    def run(self, until: float) -> None:
        while self._queue and self._queue[0][0] <= until and not self.errors:
            self.now, _, act = heapq.heappop(self._queue)
            act()
        self.now = until

    def end(self) -> None:
        """Let every actor that still waits end."""
        self.over = True
        while self._queue:
            heapq.heappop(self._queue)[2]()

    def _let_go(self, go: Callable[[], None]) -> None:
        go()
        self._back.acquire()

    def _played(self, play: Callable[[], None]) -> None:
        try:
            play()
        except Killed:
            pass
        except BaseException as error:
            self.errors.append(error)
        self._back.release()
