"""A worker is taken away in the middle of a roll.

In the field: EC2 reclaims a spot instance while somebody deploys.
Must hold: the deploy waits for the workers that are left, the autoscaler launches another, and the
roll ends well.
Runbook: docs/runbooks/stuck-deploy.md
"""

from drills.kit.deploys import DONE, another_release, begin_deploy
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.NOTHING
WITHIN = 120.0


def run(scene: Scene) -> None:
    """Terminate a worker as the lease is handed over."""
    deploy = begin_deploy(scene, another_release(scene, "head"))
    deploy.reaches("hand the lease over")
    scene.terminate(scene.workers[0])
    deploy.ends(DONE)
