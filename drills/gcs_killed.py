"""The head's Ray is killed: GCS and raylet at once.

In the field: the kernel out of memory, a crash in Ray.
Must hold: the guard sees it within a second or two, gives the lease up, starts Ray again under a
new one on the same instance or leaves it to a standby, and every worker comes back by itself.
Runbook: docs/runbooks/head-not-ready.md
"""

from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.HEAD


def run(scene: Scene) -> None:
    """Kill GCS and raylet on the instance that leads."""
    scene.kill(scene.leader, "gcs_server", "raylet")
