"""Every worker's raylet is killed, one right after the other.

In the field: a bad job that takes every node's memory.
Must hold: as many are in again by themselves, each on its instance or, where Ray's autoscaler was
faster, on another; the head goes on answering.
Runbook: docs/runbooks/head-not-ready.md
"""

from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.WORKERS


def run(scene: Scene) -> None:
    """Kill the raylet of each worker."""
    for worker in scene.workers:
        scene.kill(worker, "raylet")
