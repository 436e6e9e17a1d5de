"""The head's GCS hangs: it is there, its port is open, and it answers nothing.

In the field: a deadlock, a disk that stalls.
Must hold: the guard asks the GCS itself and not whether a process is there; after ten seconds
without an answer it ends Ray, gives the lease up and starts anew.
Runbook: docs/runbooks/head-not-ready.md
"""

from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.HEAD


def run(scene: Scene) -> None:
    """Stop the GCS (SIGSTOP) and never let it go on."""
    scene.kill(scene.leader, "gcs_server", signal="STOP")
