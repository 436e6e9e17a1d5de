"""The owner of a bake: its process, tagged on everything it creates. No AWS.

By this tag a later bake finds the leftovers of one that was killed.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

TAG = "raykiln:bake"


@dataclass(frozen=True)
class Owner:
    """One process: a pid can be reused, but not with the same start time on the same boot."""

    host: str
    pid: int
    # Clock ticks after boot, field 22 of /proc/PID/stat (proc_pid_stat(5)).
    started: int

    def __str__(self) -> str:
        return f"{self.host}/{self.pid}/{self.started}"

    @classmethod
    def parse(cls, text: str) -> "Owner | None":
        """Return the owner that a tag's value names, or None when it does not name one."""
        host, *numbers = text.split("/")
        if len(numbers) != 2 or not all(number.isdigit() for number in numbers):
            return None
        return cls(host, int(numbers[0]), int(numbers[1]))

    def is_known_dead(self) -> bool:
        """Return whether the process ran on this machine and has ended."""
        return self.host == _host() and _started(self.pid) != self.started


def this_process() -> Owner:
    """Return this process as an owner."""
    return Owner(_host(), os.getpid(), _started(os.getpid()))


def _host() -> str:
    """Return the host name and eight digits of the boot id: both must match."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    return f"{socket.gethostname()}-{boot}"


def _started(pid: int) -> int:
    """Return when a process started, or -1 when it does not exist."""
    try:
        # The command's name may contain spaces and brackets; the fields follow the last bracket.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return -1
