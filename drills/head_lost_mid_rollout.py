"""The head that serves is lost while a roll's new head still boots.

In the field: the old instance dies on the very day it was to go.
Must hold: a head takes the lease as ever, and the deploy ends with the new release (0) or the old
one (3), or says why it stopped (2) and goes on when it is run again; the cluster is whole.
Runbook: docs/runbooks/stuck-deploy.md
"""

from drills.kit.deploys import DONE, FAILED, WENT_BACK, another_release, begin_deploy
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.HEAD
WITHIN = 300.0


def run(scene: Scene) -> None:
    """Terminate the leader while the deploy waits for the new head; deploy again if it stopped."""
    change = another_release(scene, "head")
    deploy = begin_deploy(scene, change)
    deploy.reaches("wait for the new head to stand by")
    scene.terminate(scene.leader)
    deploy.ends(DONE, WENT_BACK, FAILED)
    scene.figures["first exit code"] = float(deploy.exit_code)
    if deploy.exit_code == FAILED:
        begin_deploy(scene, change).ends(DONE)
