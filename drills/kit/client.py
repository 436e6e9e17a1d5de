"""A client that submits a small job again and again through the stable name, whatever happens.

Each job costs a Python process on the head, which on a small one would be the drill's own outage.
So a job is new every ``NEW_EVERY`` seconds, and is submitted again in between: Ray then looks it up
in its GCS and refuses it as known, which proves as much. After a loss the first is new to Ray.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import uuid4

from common.errors import PipelineError
from deploy.cluster.ray_api import RayApi

EVERY, NEW_EVERY = 0.2, 20.0  # seconds between two tries, and between two jobs
KNOWN = "already exists"  # what Ray says of a job that it took before (job_manager.py)
# As many tries may hang at once: one that is held up must hold up no other, nor fill this machine.
HANGING = 100


@dataclass(frozen=True)
class Sample:
    """One try: when it began and ended (seconds since the epoch), and whether Ray took the job."""

    began: float
    ended: float
    taken: bool


class Repeated:
    """Calls ``look`` every so many seconds, each time in a thread of its own."""

    def __init__(self, look: Callable[[], None], every: float) -> None:
        self._look, self._every = look, every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Repeated":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        hanging: list[threading.Thread] = []
        while not self._stop.wait(self._every):
            hanging = [one for one in hanging if one.is_alive()]
            if len(hanging) < HANGING:
                hanging.append(threading.Thread(target=self._look, daemon=True))
                hanging[-1].start()


@dataclass
class Client:
    """Submits every so many seconds; ``samples`` are all its tries that have ended."""

    api: RayApi
    every: float = EVERY
    samples: list[Sample] = field(default_factory=list)
    _name: str = field(default_factory=lambda: f"client-{uuid4().hex[:12]}")

    def __enter__(self) -> "Client":
        self._repeated = Repeated(self._submit, self.every)
        self._repeated.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._repeated.__exit__()

    def gap(self, since: float) -> float:
        """Return the longest time between two jobs that were taken, from ``since`` on."""
        return longest_gap(self.samples, since)

    def _submit(self) -> None:
        began, taken = time.time(), True
        try:
            self.api.submit("true", f"{self._name}-{int(began // NEW_EVERY)}")
        except PipelineError as error:
            taken = KNOWN in error.message
        self.samples.append(Sample(began, time.time(), taken))


def longest_gap(samples: list[Sample], since: float) -> float:
    """Return the longest time in seconds between two jobs that were taken, from ``since`` on."""
    taken = sorted(sample.ended for sample in list(samples) if sample.taken)
    pairs = [(a, b) for a, b in pairwise(taken) if b >= since]
    return max((b - a for a, b in pairs), default=0.0)
