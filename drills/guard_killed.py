"""The guard of the head is killed.

In the field: the kernel out of memory, a bug of ours.
Must hold: systemd ends Ray with its guard and starts both again; the new guard knows that nothing
of the old one's Ray can be left, and takes the lease without waiting for it to lapse.
Runbook: docs/runbooks/no-leader.md
"""

from drills.kit.phases import Recovery
from drills.kit.scene import Scene
from node.contract import HEAD_UNIT

RECOVERY = Recovery.HEAD


def run(scene: Scene) -> None:
    """Kill the main process of ray-head.service."""
    scene.kill_unit(scene.leader, f"{HEAD_UNIT}.service")
