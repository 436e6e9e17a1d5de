"""The head is cut off from everyone: AWS, workers, clients.

In the field: its host's network is gone, and comes back a minute later.
Must hold: it ends its Ray while it is alone, so that there are never two heads; when it is back,
one head leads and every worker is in again.
Runbook: docs/runbooks/no-leader.md
"""

from drills.kit.local import cut, mend
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.HEAD
LOCAL_ONLY = "Run Command would be cut off too, and could not mend it"
SECONDS = 30.0


def run(scene: Scene) -> None:
    """Drop all that comes from the head or goes there for a while, then mend it."""
    head = scene.address(scene.leader)
    cut(scene, f"{scene.leader} is cut off", [f"ip saddr {head}", f"ip daddr {head}"])
    scene.clock.sleep(SECONDS)
    scene.figures["cut off"] = SECONDS
    mend()
