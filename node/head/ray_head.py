"""What the guard needs of Ray. No AWS, no processes: see ray_process.py for the real one."""

from typing import Protocol


class RayHead(Protocol):
    """What the guard needs of Ray. Every method returns at once, or within a second."""

    def warm(self) -> bool:
        """Get ready to start, or say that we are; called again until True."""

    def start(self) -> None:
        """Start Ray; it must be dead and warm."""

    def is_running(self) -> bool:
        """Say whether the command that was started still runs."""

    def is_healthy(self) -> bool:
        """Say whether the GCS answers and lists this instance's raylet as alive."""

    def kill(self) -> bool:
        """End every process of Ray's at once; True when none is left. Called again until True."""
