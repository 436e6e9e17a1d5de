"""Wait until no process holds apt's or dpkg's locks. Runs on the build instance.

Takes the seconds to wait, and paths of locks if they are not apt's own. Exits with 1 after that
time, and names the holders. Needs only the base image's Python, 3.10 or later.
"""

import fcntl
import os
import struct
import sys
import time
from pathlib import Path

# apt's Dir::State::lists, Dir::Cache::archives and dpkg's database (apt-get(8), dpkg(1)).
LOCKS = (
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    "/var/lib/apt/lists/lock",
    "/var/cache/apt/archives/lock",
)
# struct flock of 64-bit Linux (fcntl(2)): type, whence, start, length, pid.
FLOCK = "hhqqi4x"
# An upgrade takes and releases its locks for each package: free once does not mean finished.
SETTLED_LOOKS = 3


def holder(path: Path) -> int:
    """Return the process that holds the lock; 0 when it is free."""
    try:
        with path.open("rb") as file:
            asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            answer = struct.unpack(FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
    except FileNotFoundError:
        return 0
    return 0 if answer[0] == fcntl.F_UNLCK else int(answer[4])


def words(pid: int) -> str:
    """Return what a process is called, and the unit that it belongs to."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        unit = Path(f"/proc/{pid}/cgroup").read_text().strip().rpartition("/")[2]
    except OSError:
        return f"process {pid}"
    command = " ".join(arguments.decode("utf-8", "replace").split())
    return f"process {pid} of {unit or 'no unit'} ({command[:100]})"


def held(locks: list[Path]) -> dict[Path, int]:
    """Return each lock that is held, and by which process."""
    return {path: pid for path in locks if (pid := holder(path))}


def main(seconds: float, locks: list[Path]) -> int:
    """Wait; return the exit code."""
    deadline = time.monotonic() + seconds
    now, free_looks = held(locks), 0
    needed = SETTLED_LOOKS if now else 0
    while free_looks < needed:
        if now and time.monotonic() > deadline:
            for path, pid in now.items():
                print(f"FAILED {path} is held after {seconds:g} s by {words(pid)}", file=sys.stderr)
            return 1
        time.sleep(1)
        now = held(locks)
        free_looks = 0 if now else free_looks + 1
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), [Path(name) for name in sys.argv[2:] or LOCKS]))
