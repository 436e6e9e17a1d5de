"""The head is cut off from all workers, and from nothing else.

In the field: a security group or a network ACL is changed.
Must hold: head and lease stay where they are; once it is mended every worker is in again.
Runbook: docs/runbooks/head-not-ready.md
"""

from drills.kit.local import between, cut, mend
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.WORKERS
LOCAL_ONLY = "the images have no packet filter that Run Command could use"


def run(scene: Scene) -> None:
    """Drop what goes between the head and its workers until Ray has lost them, then mend it."""
    head = scene.address(scene.leader)
    pairs = [between(head, address) for address in scene.before.workers.values()]
    packets = [match for pair in pairs for match in pair]
    cut(scene, f"{scene.leader} is cut off from its workers", packets)
    scene.wait("the workers lost", lambda: not scene.witness.seen.nodes[-1].workers)
    scene.figures["all workers lost"] = scene.clock.now() - (scene.began or 0.0)
    mend()
