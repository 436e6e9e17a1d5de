"""A client that submits a small job through the stable name, again and again.

Each new job costs a Python process on the head, which would overload a small head. So the client
uses a new job id every ``NEW_EVERY`` seconds, and submits the same id in between. Ray then looks
the id up in its GCS and rejects it as known, which proves as much: the GCS answered. After a loss
the first job is new to Ray.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import uuid4

from common.errors import PipelineError
from deploy.cluster.ray_api import RayApi

EVERY, NEW_EVERY = 0.2, 20.0  # seconds between two attempts, and between two job ids
KNOWN = "already exists"  # Ray's answer to an id that it has accepted before (job_manager.py)
# Limit of attempts in flight: a slow one must not delay the others, nor fill this machine.
MAX_PENDING = 100


@dataclass(frozen=True)
class JobAttempt:
    """One submission: when it began and ended (seconds since the epoch), and whether Ray accepted
    the job.
    """

    began: float
    ended: float
    accepted: bool


class Repeater:
    """Calls ``action`` every ``every`` seconds, each time in a new thread."""

    def __init__(self, action: Callable[[], None], every: float) -> None:
        self._action, self._every = action, every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Repeater":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        pending: list[threading.Thread] = []
        while not self._stop.wait(self._every):
            pending = [thread for thread in pending if thread.is_alive()]
            if len(pending) < MAX_PENDING:
                pending.append(threading.Thread(target=self._action, daemon=True))
                pending[-1].start()


@dataclass
class JobClient:
    """Submits a job every ``every`` seconds; ``attempts`` holds all attempts that have ended."""

    api: RayApi
    every: float = EVERY
    attempts: list[JobAttempt] = field(default_factory=list)
    _name: str = field(default_factory=lambda: f"client-{uuid4().hex[:12]}")

    def __enter__(self) -> "JobClient":
        self._repeater = Repeater(self._submit, self.every)
        self._repeater.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._repeater.__exit__()

    def _submit(self) -> None:
        began, accepted = time.time(), True
        try:
            self.api.submit("true", f"{self._name}-{int(began // NEW_EVERY)}", on_head=True)
        except PipelineError as error:
            accepted = KNOWN in error.message
        self.attempts.append(JobAttempt(began, time.time(), accepted))


def longest_gap(attempts: list[JobAttempt], since: float) -> float:
    """Return the longest time in seconds between two accepted jobs, from ``since`` on."""
    accepted = sorted(attempt.ended for attempt in list(attempts) if attempt.accepted)
    pairs = [(a, b) for a, b in pairwise(accepted) if b >= since]
    return max((b - a for a, b in pairs), default=0.0)
