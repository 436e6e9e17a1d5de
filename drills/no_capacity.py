"""EC2 has no capacity for the new head of a roll.

In the field: a zone runs out of an instance type on the day of the release.
Must hold: the head that serves goes on, clients notice nothing, and the deploy goes back (exit
code 3) and names EC2's reason.
Runbook: docs/runbooks/head-launch.md
"""

from drills.kit.deploys import WENT_BACK, another_release, begin_deploy
from drills.kit.local import declare_shortage
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.NOTHING
WITHIN = 20.0
LOCAL_ONLY = "EC2 cannot be asked to run out of instances"


def run(scene: Scene) -> None:
    """Declare that there is no instance of any type in any zone, and deploy."""
    declare_shortage(scene)
    deploy = begin_deploy(scene, another_release(scene, "head"))
    deploy.ends(WENT_BACK)
    scene.expect("capacity" in deploy.said, f"the reason is not named: {deploy.said}")
