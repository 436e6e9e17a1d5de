"""S3 cannot be reached while a new head boots.

In the field: a gateway endpoint's route is removed, the service has a bad quarter of an hour.
Must hold: the new head waits for its autoscaler's configuration and leads once it has it, instead
of giving up.
Runbook: docs/runbooks/head-launch.md
"""

from drills.kit.names import OVERLAP, hidden
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.HEAD
LOCAL_ONLY = OVERLAP
SECONDS = 40.0


def run(scene: Scene) -> None:
    """Hide S3's names, lose the head, and show them again when the next one waits for them."""
    with hidden(scene, f"s3.{scene.environment.region}.amazonaws.com", "s3.amazonaws.com"):
        scene.terminate(scene.leader)
        scene.clock.sleep(SECONDS)
