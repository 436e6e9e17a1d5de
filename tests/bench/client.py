"""A client that submits a small job again and again through the stable name, whatever happens."""

import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import uuid4

from deploy.errors import PipelineError
from deploy.ray_api import RayApi

EVERY = 0.2


@dataclass(frozen=True)
class Sample:
    """One try: when it began and ended (seconds since the epoch), and whether Ray took the job."""

    began: float
    ended: float
    taken: bool


@dataclass
class Client:
    """Submits every 200 ms in a thread of its own, so that a try that hangs holds up no other."""

    api: RayApi
    every: float = EVERY
    samples: list[Sample] = field(default_factory=list)

    def __enter__(self) -> "Client":
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def gap(self, since: float) -> float:
        """Return the longest time between two jobs that were taken, from ``since`` on."""
        taken = sorted(sample.ended for sample in list(self.samples) if sample.taken)
        pairs = [(a, b) for a, b in pairwise(taken) if b >= since]
        return max((b - a for a, b in pairs), default=0.0)

    def _run(self) -> None:
        tries = []
        while not self._stop.wait(self.every):
            tries.append(threading.Thread(target=self._submit))
            tries[-1].start()
        for one in tries:
            one.join()

    def _submit(self) -> None:
        began, taken = time.time(), True
        try:
            self.api.submit("true", f"client-{uuid4().hex[:12]}")
        except PipelineError:
            taken = False
        self.samples.append(Sample(began, time.time(), taken))
