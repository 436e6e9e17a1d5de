"""The head's power is lost: no shutdown, no last word.

In the field: the host under the instance dies.
Must hold: nobody gives the lease up, so it lapses; EC2 and the group notice that the instance
runs no more and launch another head, which takes it; every worker comes back by itself.
Runbook: docs/runbooks/no-leader.md
"""

from drills.kit.local import pull_plug
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.HEAD
LOCAL_ONLY = "EC2 has no call that takes an instance's power away"


def run(scene: Scene) -> None:
    """Pull the plug of the instance that leads."""
    pull_plug(scene, scene.leader)
