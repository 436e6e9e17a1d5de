"""The head's instance is terminated.

In the field: a mistaken click, a script, EC2 retiring the host.
Must hold: its guard stops Ray and gives the lease up on the way out, the group launches another
head, and every worker comes back by itself.
Runbook: docs/runbooks/head-launch.md
"""

from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.HEAD


def run(scene: Scene) -> None:
    """Terminate the instance that leads."""
    scene.terminate(scene.leader)
