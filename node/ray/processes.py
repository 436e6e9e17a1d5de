"""Kill every process that Ray started, daemons included. No AWS. Linux only.

Ray's processes start their own sessions and outlive the command that started them, so a process
group is not enough. A subreaper (prctl(2), PR_SET_CHILD_SUBREAPER) becomes the parent of every
orphan below it, so all descendants of this process are Ray's. systemd's KillMode=mixed does the
same from outside once this process has ended.
"""

import contextlib
import ctypes
import os
import signal
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Adopt orphans below this process from now on."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the thread that started this process ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def descendants(root: int | None = None) -> set[int]:
    """Return the living processes below ``root`` (this process if None); zombies do not count."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and (parent := _living_parent(path)) is not None:
            children.setdefault(parent, []).append(int(path.name))
    found: set[int] = set()
    queue = [root or os.getpid()]
    while queue:
        below = children.get(queue.pop(), [])
        found.update(below)
        queue.extend(below)
    return found


def _living_parent(process: Path) -> int | None:
    """Return the parent from /proc/PID/stat: fields after the name, which may hold spaces and
    brackets.
    """
    try:
        state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
    except (OSError, ValueError):
        return None
    return None if state in "ZX" else int(parent)


def kill_descendants() -> bool:
    """Send SIGKILL to all descendants and reap the dead; True when none is left.

    One pass may miss a process that is being forked: call until it returns True.
    """
    for pid in descendants():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    reap()
    return not descendants()


def reap() -> None:
    """Reap every child that has ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
