"""What the guard needs of Ray. No AWS, no processes: head_process.py has the real one."""

from typing import Protocol

from node.ray.launches import RefusedLaunches


class RayHead(Protocol):
    """What the guard needs of Ray. Every method returns at once, or within a second, unless it
    says otherwise.
    """

    def warm(self) -> bool:
        """Get ready to start; True once Ray is imported. Called again until True."""

    def start(self) -> None:
        """Start Ray, which must be warm and not running."""

    def is_running(self) -> bool:
        """Say whether the command that was started is still running."""

    def is_healthy(self) -> bool:
        """Say whether the GCS answers and lists this instance's raylet as alive."""

    def kill(self) -> bool:
        """Kill every process of Ray; True when none is left. Called again until True."""

    def autoscaler_round(self) -> int:
        """Return the autoscaler's counter of rounds. Blocks for seconds, and raises when nothing
        answers.
        """

    def restart_autoscaler(self) -> None:
        """Kill the autoscaler, which is then started again; the rest of Ray runs on."""

    def refused_launches(self) -> RefusedLaunches:
        """Return the newest launch that EC2 refused, by worker group."""
