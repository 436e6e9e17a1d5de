"""The processes of ray-worker.service, as the watchdog sees and ends them. No AWS. Linux only.

A process's unit is in its cgroup's path (systemd.unit(5)), whichever cgroup version the machine
has; asking systemd instead would need the right to manage every unit.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

UNIT = "ray-worker.service"
RAYLET = "raylet"


@dataclass(frozen=True)
class Raylet:
    """A running raylet and the id under which its GCS knows it."""

    pid: int
    node_id: bytes


class WorkerUnit(Protocol):
    """What the watchdog needs of the unit."""

    def raylet(self) -> Raylet | None:
        """Return the raylet that runs in it, if one does."""

    def kill(self) -> None:
        """End every process in it at once; systemd starts it again."""


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
        """Twice, for what was being forked the first time; with its main process gone systemd
        ends the rest.
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
    """Recognize a raylet by its name, and its node by its argument --node_id
    (ray/_private/services.py).
    """
    try:
        if (process / "comm").read_text().strip() != RAYLET:
            return None
        arguments = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    ids = [a.removeprefix(b"--node_id=") for a in arguments if a.startswith(b"--node_id=")]
    return Raylet(int(process.name), bytes.fromhex(ids[0].decode())) if ids else None
