"""After the hand-over no worker comes to the new head: they cannot reach it.

In the field: a security group or a route that the new head's subnet does not have.
Must hold: deploy does not call that a success: it goes back (exit code 3) to the head that the
workers can reach, and they are all in again.
Runbook: docs/runbooks/stuck-deploy.md
"""

from drills.kit.deploys import WENT_BACK, another_release, begin_deploy, newcomers
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.NOTHING
WITHIN = 180.0
LIMIT = "hand_over_seconds=60"


def run(scene: Scene) -> None:
    """Have each worker drop what it sends to the new head, from before the hand-over on."""
    deploy = begin_deploy(scene, another_release(scene, "head"), limits=(LIMIT,))
    deploy.reaches("wait for the new head to stand by")
    scene.wait("a new head", lambda: bool(newcomers(scene)))
    (new,) = newcomers(scene)
    for worker in scene.workers:
        scene.break_on(
            worker,
            f"the route to {new.id} is gone",
            f"ip route add blackhole {new.address}/32",
            undo=f"ip route del blackhole {new.address}/32",
        )
    deploy.ends(WENT_BACK)
