"""What the control plane asks of whatever runs the machines: real ones, or simulated ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Power(Enum):
    """How far a machine is, as its driver sees it."""

    BOOTING = "booting"
    UP = "up"
    STOPPING = "stopping"
    DOWN = "down"  # powered off, by us, by itself, or because it crashed
    FAILED = "failed"  # could not be booted
    GONE = "gone"  # destroyed, or never known


class Copying(Enum):
    """How far the copy of a machine's disk into an image is."""

    PENDING = "pending"
    AVAILABLE = "available"
    FAILED = "failed"


@dataclass(frozen=True)
class Host:
    """What a driver needs to know to boot one instance."""

    instance_id: str
    ami_id: str
    private_ip: str
    mac: str
    vcpus: int
    memory_mib: int


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
    """What a health probe met: a connection, and an HTTP status if a path was asked for."""

    connected: bool
    status: int | None = None


class Driver(Protocol):
    """Every method returns at once; slow work goes on behind and is polled."""

    def launch(self, host: Host) -> None:
        """Begin to boot a new machine."""

    def start(self, instance_id: str) -> None:
        """Begin to boot a machine that was stopped."""

    def stop(self, instance_id: str) -> None:
        """Begin an orderly power-off."""

    def pull_plug(self, instance_id: str) -> None:
        """End the machine at once, as a power loss does; its disk stays."""

    def destroy(self, instance_id: str) -> None:
        """Begin to end the machine for good and remove its disk (orderly first, then by force)."""

    def power(self, instance_id: str) -> Power:
        """Return how far the machine is."""

    def copy(self, instance_id: str, ami_id: str) -> None:
        """Begin to copy a stopped machine's disk into a new image."""

    def copying(self, ami_id: str) -> Copying:
        """Return how far that copy is."""

    def forget_image(self, ami_id: str) -> None:
        """Remove an image's own layer."""

    def run(self, command_id: str, instance_id: str, script: str, seconds: float) -> None:
        """Begin to run a shell script as root on the machine, for so long at most."""

    def answer(self, command_id: str, instance_id: str) -> Answer | None:
        """Return what that script gave, or None while it runs."""

    def console(self, instance_id: str) -> str:
        """Return the end of what the machine said on its console, also once it has gone."""

    def probe(
        self, from_ip: str, ip: str, port: int, http_path: str | None, seconds: float
    ) -> Probed | None:
        """Begin to probe ``ip:port`` as ``from_ip`` would, or tell what the probe begun before met.

        None while it is under way; once told, the next call begins another.
        """

    def invoke(self, request_id: str, work: Work) -> None:
        """Begin to run a function, on no machine, for so long at most."""

    def invoked(self, request_id: str) -> Answer | None:
        """Tell once what it gave (exit code 124: it was ended for its time); None while it runs."""
