"""Who bakes: a name for this process, tagged on all it starts, so that leftovers show. No AWS."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

TAG = "raykiln:bake"


@dataclass(frozen=True)
class Owner:
    """A process, for good: a pid may come again, but not with the same start on the same boot."""

    host: str
    pid: int
    # Clock ticks after boot, field 22 of /proc/PID/stat (proc_pid_stat(5)).
    started: int

    def __str__(self) -> str:
        return f"{self.host}/{self.pid}/{self.started}"

    @classmethod
    def parse(cls, text: str) -> "Owner | None":
        """Return the owner that a tag names, or None when it names none."""
        host, *numbers = text.split("/")
        if len(numbers) != 2 or not all(number.isdigit() for number in numbers):
            return None
        return cls(host, int(numbers[0]), int(numbers[1]))

    def is_known_dead(self) -> bool:
        """Say that the process was on this machine and is no more."""
        return self.host == _host() and _started(self.pid) != self.started


def this_process() -> Owner:
    """Return the owner that this process is."""
    return Owner(_host(), os.getpid(), _started(os.getpid()))


def _host() -> str:
    """Return the machine's name with eight digits of its boot's id: both must match."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    return f"{socket.gethostname()}-{boot}"


def _started(pid: int) -> int:
    """Return when a process started, or -1 when there is none."""
    try:
        # The command's name may hold blanks and brackets; the fields follow the last one.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return -1
