"""Systems Manager cannot be reached while a new head boots.

In the field: an endpoint is deleted, the service has a bad quarter of an hour.
Must hold: the new head waits for its token and leads once it has it, instead of giving up.
Runbook: docs/runbooks/head-launch.md
"""

from drills.kit.names import OVERLAP, hidden
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.HEAD
LOCAL_ONLY = OVERLAP
SECONDS = 40.0


def run(scene: Scene) -> None:
    """Hide SSM's name, lose the head, and show the name again when the next one waits for it."""
    with hidden(scene, f"ssm.{scene.environment.region}.amazonaws.com"):
        scene.terminate(scene.leader)
        scene.clock.sleep(SECONDS)
