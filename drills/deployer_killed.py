"""A deploy is killed in the middle of a roll, and the same command is run again.

In the field: a laptop is closed, a CI job is cancelled.
Must hold: the dead deployer's lock lapses, the second run goes on from there, and the cluster
serves the new release.
Runbook: docs/runbooks/stuck-deploy.md
"""

from drills.kit.deploys import DONE, another_release, begin_deploy
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.NOTHING
WITHIN = 120.0


def run(scene: Scene) -> None:
    """Kill the deployer as it hands the lease over, then deploy again."""
    change = another_release(scene, "head")
    first = begin_deploy(scene, change)
    first.reaches("hand the lease over")
    first.kill()
    scene.breaks("the deployer is killed as it hands the lease over")
    begin_deploy(scene, change).ends(DONE)
