"""A worker's raylet is killed.

In the field: the kernel out of memory, a crash in Ray.
Must hold: systemd starts Ray again on the same instance, which joins as a new node, or Ray's
autoscaler is faster and replaces the instance; head and other workers do not notice.
Runbook: docs/runbooks/head-not-ready.md
"""

from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.WORKERS


def run(scene: Scene) -> None:
    """Kill the raylet of one worker."""
    scene.kill(scene.workers[0], "raylet")
