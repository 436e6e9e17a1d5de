"""Two people deploy the same cluster at once.

In the field: a laptop and a CI job, a button pressed twice.
Must hold: the second is refused (exit code 1) and told who is at work; the first ends well.
Runbook: docs/runbooks/stuck-deploy.md
"""

from drills.kit.deploys import DONE, REFUSED, another_release, begin_deploy
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.NOTHING
WITHIN = 120.0


def run(scene: Scene) -> None:
    """Begin a second deploy while the first waits for its new head."""
    change = another_release(scene, "head")
    first = begin_deploy(scene, change)
    first.reaches("wait for the new head to stand by")
    scene.breaks("a second deployer begins")
    second = begin_deploy(scene, change)
    second.ends(REFUSED)
    scene.expect("another deployer is" in second.said, f"nobody is named: {second.said}")
    first.ends(DONE)
