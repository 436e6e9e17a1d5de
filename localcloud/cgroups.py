"""Control groups of machines and of the cloud itself: limits, and a sure way to kill all. No AWS.

Works where the host mounts the version 1 hierarchies (or both versions, systemd's hybrid mode) and
where version 2 is the only one. See the kernel's admin-guide/cgroup-v2.rst and
admin-guide/cgroup-v1/.
"""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcloud.processes import send_signal

ROOT = Path("/sys/fs/cgroup")
V1_HIERARCHIES = ("systemd", "unified", "memory", "cpu", "cpuacct", "pids", "freezer")
V2_CONTROLLERS = ("cpu", "memory", "pids")
PERIOD_US = 100_000
EVEN = 100  # the kernel's weight of a group, which version 1 calls 1024 shares
KILL_SECONDS = 60.0  # is reached only by what does not end, on however slow a machine

# The shell joins the groups before it becomes the command, which so never runs outside of them.
JOIN = (
    'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"'
)


@dataclass(frozen=True)
class Limits:
    """What a group's processes may use together; ``weight`` is its share when CPU is short;
    any other group has ``EVEN``.
    """

    cpus: float
    memory_bytes: int
    weight: int = EVEN


def is_v2() -> bool:
    """Say whether version 2 is the host's only one."""
    return (ROOT / "cgroup.controllers").exists()


def joining(groups: Sequence[Path], command: Sequence[str]) -> list[str]:
    """Return a command that joins these groups and then becomes ``command``."""
    return ["sh", "-c", JOIN, "sh", *map(str, groups), "--", *command]


def groups_of(pid: int) -> list[Path]:
    """Return the groups a process is in, in the hierarchies that we use."""
    lines = Path("/proc", str(pid), "cgroup").read_text().splitlines()
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        mount = _mount_of(controllers)
        if mount is not None:
            found.append(mount / path.lstrip("/"))
    return found


def _mount_of(controllers: str) -> Path | None:
    if is_v2():
        return ROOT if not controllers else None
    name = controllers.split(",")[0].removeprefix("name=") or "unified"
    return ROOT / name if name in V1_HIERARCHIES and (ROOT / name).is_dir() else None


class Group:
    """One group, by its path below each hierarchy's root: ``Group("rk-0a1b2c", "i-0123")``."""

    def __init__(self, *parts: str) -> None:
        self.parts = parts

    @property
    def paths(self) -> list[Path]:
        """One path per hierarchy."""
        if is_v2():
            return [ROOT.joinpath(*self.parts)]
        roots = [ROOT / name for name in V1_HIERARCHIES if (ROOT / name).is_dir()]
        return [root.joinpath(*self.parts) for root in roots]

    def make(self, limits: Limits | None = None) -> None:
        """Make the group, and set its limits; raises OSError where the host does not allow it."""
        for path in self.paths:
            path.mkdir(parents=True, exist_ok=True)
        if is_v2():
            self._enable_controllers()
        if limits:
            self._limit(limits)

    def _enable_controllers(self) -> None:
        """Enable our controllers in each group above: only then do they work in this one."""
        for depth in range(len(self.parts)):
            above = ROOT.joinpath(*self.parts[:depth])
            offered = (above / "cgroup.controllers").read_text().split()
            enabled = " ".join(f"+{name}" for name in V2_CONTROLLERS if name in offered)
            (above / "cgroup.subtree_control").write_text(enabled)

    def weigh(self, weight: int) -> None:
        """Set the group's share when CPU is short."""
        if is_v2():
            _write(self.paths[0] / "cpu.weight", weight)
        else:
            _write(ROOT.joinpath("cpu", *self.parts, "cpu.shares"), weight * 1024 // EVEN)

    def _limit(self, limits: Limits) -> None:
        self.weigh(limits.weight)
        quota = int(limits.cpus * PERIOD_US)
        if is_v2():
            _write(self.paths[0] / "memory.max", limits.memory_bytes)
            _write(self.paths[0] / "cpu.max", f"{quota} {PERIOD_US}")
            return
        _write(ROOT.joinpath("memory", *self.parts, "memory.limit_in_bytes"), limits.memory_bytes)
        _write(ROOT.joinpath("cpu", *self.parts, "cpu.cfs_period_us"), PERIOD_US)
        _write(ROOT.joinpath("cpu", *self.parts, "cpu.cfs_quota_us"), quota)

    def usage(self) -> tuple[float, int]:
        """Return the CPU seconds that its processes have used so far, and their memory in bytes;
        raises OSError when the group is gone.
        """
        if is_v2():
            words = (self.paths[0] / "cpu.stat").read_text().split()
            used = int(words[words.index("usage_usec") + 1]) / 1e6
            return used, int((self.paths[0] / "memory.current").read_text())
        nanoseconds = ROOT.joinpath("cpuacct", *self.parts, "cpuacct.usage").read_text()
        memory = ROOT.joinpath("memory", *self.parts, "memory.usage_in_bytes").read_text()
        return int(nanoseconds) / 1e9, int(memory)

    def processes(self) -> set[int]:
        """Return all processes in the group and below it."""
        found: set[int] = set()
        for folder in self._folders():
            try:
                found.update(map(int, (folder / "cgroup.procs").read_text().split()))
            except OSError:  # the group was removed in between
                continue
        return found

    def kill(self) -> None:
        """Kill all processes in the group; raises TimeoutError if some do not exit."""
        deadline = time.monotonic() + KILL_SECONDS
        while processes := self.processes():
            for pid in processes:
                send_signal(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise TimeoutError(f"processes {sorted(processes)} did not exit")
            time.sleep(0.02)

    def remove(self) -> None:
        """Remove the group, which must have no processes left."""
        for folder in self._folders():
            folder.rmdir()

    def _folders(self) -> Iterator[Path]:
        """Yield every folder of the group, the deepest first."""
        for root in [ROOT] if is_v2() else sorted(ROOT.iterdir()):
            # Also where only a container runtime makes groups.
            for folder, _, _ in os.walk(root.joinpath(*self.parts), topdown=False):
                yield Path(folder)


def _write(path: Path, value: object) -> None:
    path.write_text(str(value))
