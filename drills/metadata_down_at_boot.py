"""The metadata service does not answer while a new head boots.

In the field: IMDS throttles, or comes up late on a new host.
Must hold: the new head waits to be told who it is, and leads once it knows.
Runbook: docs/runbooks/head-launch.md
"""

from drills.kit.local import cut, mend
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.HEAD
LOCAL_ONLY = "on AWS the metadata service of an instance that boots is out of reach"
SECONDS = 30.0


def run(scene: Scene) -> None:
    """Drop what is sent to the metadata service, lose the head, and let packets through again."""
    cut(scene, "no way to the metadata service", ["ip daddr 169.254.169.254"])
    scene.terminate(scene.leader)
    scene.clock.sleep(SECONDS)
    mend()
