"""Work through the queue, one object at a time, and hold what is being worked on. No Ray.

One thread works; another renews the claim and keeps the message hidden, so that a document may take
as long as it takes. When the process dies, both lapse, and another worker takes over.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from documents.attempt import Outcome, Work
from documents.control.claims import Claim
from documents.errors import ClaimLost, Unavailable
from documents.ingest import ingest
from documents.queue import LONG_POLL, LONGEST_WAIT, Message, Queue

PAUSE = 5.0  # seconds, after a call that was not answered
# Seconds until a message comes back, at the least: doubled each time.
FIRST_WAIT = 2.0
Log = Callable[..., None]


@dataclass
class Holder:
    """Renews one message and, once there is one, its claim, until the block ends."""

    work: Work
    queue: Queue
    message: Message
    claim: Claim | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    def hold(self, claim: Claim) -> None:
        """Renew this claim too."""
        self.claim = claim

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Renew three times in the time that a claim has."""
        thread = threading.Thread(target=self._renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _renew(self) -> None:
        seconds = self.work.settings.claim_seconds
        while not self._over.wait(seconds / 3):
            try:
                self.queue.hide(self.message, seconds)
                if self.claim:
                    self.work.claims.renew(self.claim)
            except ClaimLost:
                return  # the worker finds out at its next write
            except Unavailable:
                continue


class Worker:
    """One worker of a queue; ``log`` is called with an event and its fields."""

    def __init__(self, work: Work, queue: Queue, log: Log) -> None:
        self._work, self._queue, self._log = work, queue, log
        self._stopped = threading.Event()
        self.state: dict[str, Any] = {"finished": 0, "at": ""}

    def stop(self) -> None:
        """Stop after the object that is being worked on."""
        self._stopped.set()

    def run(self) -> None:
        """Work until stopped."""
        while not self._stopped.is_set():
            try:
                self.step()
            except Unavailable as error:
                self._log("waiting", reason=str(error))
                self._stopped.wait(PAUSE)
        self._work.parser.stop()

    def step(self, wait: int = LONG_POLL) -> Outcome | None:
        """Work on the next message; None when none came in time."""
        message = self._queue.receive(self._work.settings.claim_seconds, wait)
        if message is None:
            return None
        if message.ref is None:
            self._queue.delete(message)
            return Outcome(True, "a message that names no document")
        self.state["at"] = message.ref.key
        holder = Holder(self._work, self._queue, message)
        with holder.holding():
            outcome = ingest(self._work, message.ref, holder.hold)
        self._log(outcome.words, key=message.ref.key, finished=outcome.finished)
        if outcome.finished or outcome.put_off:
            self._queue.delete(message)
        else:
            self._queue.hide(message, _wait(message, outcome))
        if outcome.finished:
            self.state["finished"] += 1
        self.state["at"] = ""
        return outcome


def _wait(message: Message, outcome: Outcome) -> float:
    """Return for how many seconds it waits: longer each time, whatever a service asks for."""
    growing = min(FIRST_WAIT * 2.0 ** (message.receives - 1), LONGEST_WAIT)
    return max(outcome.retry_after or 0.0, growing)
