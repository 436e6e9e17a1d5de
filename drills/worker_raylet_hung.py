"""A worker's raylet hangs: it is there, and does nothing.

In the field: a disk that stalls, a node that swaps.
Must hold: Ray calls the node dead, and the worker's watchdog, which asks the GCS whether its raylet
is alive, kills it; the worker joins again. The head does not notice.
Runbook: docs/runbooks/head-not-ready.md
"""

from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.WORKERS


def run(scene: Scene) -> None:
    """Stop the raylet of one worker (SIGSTOP) and never let it go on."""
    scene.kill(scene.workers[0], "raylet", signal="STOP")
