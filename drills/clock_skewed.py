"""The deployer's clock is four minutes ahead: five are what AWS takes requests from.

In the field: a laptop that woke up, a CI machine without a time service.
Must hold: the roll works as ever, since nobody compares two machines' clocks; a lock does not
look abandoned, and what AWS did before is not taken for what it does now.
Runbook: docs/runbooks/stuck-deploy.md
"""

from drills.kit.deploys import DONE, another_release, begin_deploy
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.NOTHING
WITHIN = 120.0


def run(scene: Scene) -> None:
    """Deploy by a clock that is four minutes ahead of everyone else's."""
    scene.breaks("the deployer's clock is four minutes ahead")
    begin_deploy(scene, another_release(scene, "head"), clock_off=240.0).ends(DONE)
