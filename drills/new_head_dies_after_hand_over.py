"""The new head dies right after it has taken the lease over.

In the field: a release that crashes under its first work.
Must hold: the old head, which still stands by, takes the lease back; the deploy goes back (exit
code 3), and every worker is in again.
Runbook: docs/runbooks/stuck-deploy.md
"""

from deploy.cluster.state import find_lease
from drills.kit.deploys import WENT_BACK, another_release, begin_deploy
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.NOTHING
WITHIN = 120.0


def run(scene: Scene) -> None:
    """Terminate the new head as soon as it holds the lease."""
    deploy = begin_deploy(scene, another_release(scene, "head"))
    deploy.reaches("hand the lease over")
    scene.wait("the lease handed over", lambda: holder(scene) not in ("", scene.leader))
    scene.terminate(holder(scene))
    deploy.ends(WENT_BACK)
    scene.expect(holder(scene) == scene.leader, f"{holder(scene)} leads, not the old head")


def holder(scene: Scene) -> str:
    """Return who holds the lease now."""
    lease = find_lease(scene.clients, scene.environment)
    return lease.holder if lease and not lease.released else ""
