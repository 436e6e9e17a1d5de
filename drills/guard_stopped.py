"""The guard of the head hangs: it is there, and does nothing.

In the field: a frozen process, a host that stalls for long.
Must hold: the kernel kills it 7 s after its last renewal, and systemd what is left of Ray, before
the lease of 10 s can be taken by anyone else; another life or another head follows.
Runbook: docs/runbooks/no-leader.md
"""

from drills.kit.phases import Recovery
from drills.kit.scene import Scene
from node.contract import HEAD_UNIT

RECOVERY = Recovery.HEAD


def run(scene: Scene) -> None:
    """Stop the main process of ray-head.service (SIGSTOP), and never let it go on."""
    scene.kill_unit(scene.leader, f"{HEAD_UNIT}.service", signal="STOP")
