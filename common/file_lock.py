"""A lock between processes of this machine. No AWS."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold an exclusive lock on a file, across processes (flock(2)); yield its descriptor.

    A child that has the descriptor holds the lock too, and still does when this process is gone.
    """
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()
