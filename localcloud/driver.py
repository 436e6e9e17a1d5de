"""What the control plane needs from the driver of its machines, real or simulated."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from localcloud.terminal import Terminal


class Power(Enum):
    """The state of a machine, as its driver sees it."""

    BOOTING = "booting"
    UP = "up"
    STOPPING = "stopping"
    DOWN = "down"  # powered off, by us, by itself, or because it crashed
    FAILED = "failed"  # could not be booted
    GONE = "gone"  # destroyed, or unknown


class Copying(Enum):
    """The state of the copy of a machine's disk into an image."""

    PENDING = "pending"
    AVAILABLE = "available"
    FAILED = "failed"


@dataclass(frozen=True)
class Host:
    """What a driver needs to know to boot one instance; ``disk_gb`` is the size of each disk of its
    instance store.
    """

    instance_id: str
    ami_id: str
    private_ip: str
    mac: str
    vcpus: int
    memory_mib: int
    disks: int = 0
    disk_gb: int = 0


@dataclass(frozen=True)
class Answer:
    """What a command on a machine returned."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Work:
    """A function to run on an event: a zip of its code, and MODULE.FUNCTION within it."""

    archive: bytes
    handler: str
    event: str
    environment: Mapping[str, str]
    seconds: float


@dataclass(frozen=True)
class Probed:
    """The result of a health probe: a connection, and an HTTP status if a path was requested."""

    connected: bool
    status: int | None = None


class Driver(Protocol):
    """Every method returns at once; slow work continues in the background and is polled."""

    def launch(self, host: Host) -> None:
        """Begin to boot a new machine."""

    def start(self, instance_id: str) -> None:
        """Begin to boot a machine that was stopped."""

    def stop(self, instance_id: str) -> None:
        """Begin an orderly power-off."""

    def pull_plug(self, instance_id: str) -> None:
        """Kill the machine, as a power loss does; its disk stays."""

    def destroy(self, instance_id: str) -> None:
        """Begin to remove the machine and its disk (orderly first, then by force)."""

    def power(self, instance_id: str) -> Power:
        """Return the state of the machine."""

    def copy(self, instance_id: str, ami_id: str) -> None:
        """Begin to copy a stopped machine's disk into a new image."""

    def copy_image(self, source: str, ami_id: str) -> None:
        """Begin to copy an image into a new one."""

    def copying(self, ami_id: str) -> Copying:
        """Return the state of either copy."""

    def forget_image(self, ami_id: str) -> None:
        """Remove an image's own layer."""

    def run(self, command_id: str, instance_id: str, script: str, seconds: float) -> None:
        """Begin to run a shell script as root on the machine, for at most ``seconds``."""

    def answer(self, command_id: str, instance_id: str) -> Answer | None:
        """Return the script's result, or None while it runs."""

    def dial(self, target: str, host: str, port: int) -> socket.socket:
        """Connect from a machine or a task to a port, as its SSM agent does; raises OSError. It may
        wait, so it is called outside of the world's lock.
        """

    def shell(self, target: str, command: Sequence[str]) -> Terminal:
        """Run a command as root on a terminal in a container, as its SSM agent does; raises
        OSError. Called as ``dial`` is.
        """

    def console(self, instance_id: str) -> str:
        """Return the end of the machine's console output, also after it is gone."""

    def probe(
        self, from_ip: str, ip: str, port: int, http_path: str | None, seconds: float
    ) -> Probed | None:
        """Begin to probe ``ip:port`` from ``from_ip``, or return the result of the last probe.

        None while it runs; after a result was returned, the next call begins another.
        """

    def invoke(self, request_id: str, work: Work) -> None:
        """Begin to run a function, on no machine, for at most ``work.seconds``."""

    def invoked(self, request_id: str) -> Answer | None:
        """Return its result, once (exit code 124: it timed out); None while it runs."""
