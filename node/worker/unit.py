"""The processes of ray-worker.service, for the watchdog to find and kill. No AWS. Linux only.

A process's unit is in its cgroup's path (systemd.unit(5)), with either version of cgroups. To ask
systemd instead would take the right to manage every unit.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from node.contract import WORKER_UNIT

UNIT = f"{WORKER_UNIT}.service"
RAYLET = "raylet"


@dataclass(frozen=True)
class Raylet:
    """A running raylet and its node id in the GCS."""

    pid: int
    node_id: bytes


class WorkerUnit(Protocol):
    """What the watchdog needs of the unit."""

    def raylet(self) -> Raylet | None:
        """Return the raylet that runs in the unit, if there is one."""

    def kill(self) -> None:
        """Kill every process in the unit; systemd restarts it."""


class SystemdWorkerUnit:
    """The unit on this machine."""

    def __init__(self, unit: str = UNIT, proc: Path = Path("/proc")) -> None:
        self._unit, self._proc = unit, proc

    def raylet(self) -> Raylet | None:
        for process in self._processes():
            found = _as_raylet(process)
            if found:
                return found
        return None

    def kill(self) -> None:
        """Kill twice, for what was being forked the first time; systemd kills the rest once the
        main process has ended.
        """
        for _ in range(2):
            for process in self._processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process.name), signal.SIGKILL)

    def _processes(self) -> Iterator[Path]:
        for process in self._proc.iterdir():
            if process.name.isdigit() and self._is_in_unit(process):
                yield process

    def _is_in_unit(self, process: Path) -> bool:
        try:
            groups = (process / "cgroup").read_text()
        except OSError:
            return False
        return f"/{self._unit}\n" in groups or f"/{self._unit}/" in groups


def _as_raylet(process: Path) -> Raylet | None:
    """Return the raylet that a process is, if it is one: by its name, with the node id from its
    argument --node_id (ray/_private/services.py).
    """
    try:
        if (process / "comm").read_text().strip() != RAYLET:
            return None
        arguments = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    ids = [a.removeprefix(b"--node_id=") for a in arguments if a.startswith(b"--node_id=")]
    return Raylet(int(process.name), bytes.fromhex(ids[0].decode())) if ids else None
