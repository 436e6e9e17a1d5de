"""Get this machine ready as a node of a role does at its boot, and print what that reads from disk.

Runs as root on a fresh instance, with the image's Python, in /opt/raykiln; its argument is the
role. A head imports Ray and its dashboard, as it does before it may take the lease; a worker what
it has imported before it asks for the head. Ray itself is not started: its raylet gives up on
agents that need more than 15 s, as they may on a busy machine with a cold page cache.

On AWS the first read of a block comes from the image's snapshot, so bytes are what counts there,
not the seconds of this machine. They are what the kernel fetched from storage for each process
(read_bytes in proc_pid_io(5)); those of a process that has ended are its parent's. What is in the
page cache is not fetched, so the files are evicted first (posix_fadvise(2)), but for what a process
has mapped. Read-ahead counts: a machine whose disk reads further ahead reads more.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from node.contract import HEAD
from node.identity import Identity
from node.ray.grpc_gcs import GrpcGcs
from node.ray.head_process import RayHeadProcess
from node.ray.launches import Launches
from node.ray.start_settings import LAUNCHES, TOKEN
from node.ray.users import RAY

SECONDS = 300.0
WORKER = "import node.worker.main; from node.ray.launcher import warm_up; warm_up()"


def bytes_read() -> int:
    """Return what all processes of this machine have read from disk, also those that have ended."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/io"):
        try:
            lines = path.read_text().splitlines()
        except OSError:  # it has just ended
            continue
        total += next(int(line.split()[1]) for line in lines if line.startswith("read_bytes:"))
    return total


def evict() -> None:
    """Remove the root file system's files from the page cache."""
    os.sync()
    device = Path("/").lstat().st_dev
    for folder, folders, names in os.walk("/"):
        folders[:] = [name for name in folders if Path(folder, name).lstat().st_dev == device]
        for path in (Path(folder, name) for name in names):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def warm_head() -> Iterator[None]:
    """Have Ray ready to start, as the guard has it."""
    names = [field.name for field in fields(Identity)]
    identity = Identity(**dict.fromkeys(names, "") | {"role": HEAD, "address": "127.0.0.1"})
    ray = RayHeadProcess(identity, GrpcGcs("127.0.0.1", TOKEN), Launches(LAUNCHES), user=RAY)
    deadline = time.monotonic() + SECONDS
    try:
        while not ray.warm():
            if time.monotonic() > deadline:
                raise SystemExit(f"FAILED Ray was not warm within {SECONDS:.0f} s")
            time.sleep(0.05)
        yield
    finally:
        while not ray.kill():
            time.sleep(0.05)


@contextmanager
def warm_worker() -> Iterator[None]:
    """Import what a worker does."""
    subprocess.run([sys.executable, "-B", "-c", WORKER], check=True)
    yield


def main(role: str) -> None:
    """Print the bytes that it takes."""
    evict()
    before = bytes_read()
    with warm_head() if role == HEAD else warm_worker():
        print(bytes_read() - before)


if __name__ == "__main__":
    main(*sys.argv[1:])
