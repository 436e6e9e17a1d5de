"""The head is lost ten times, each time as soon as a new one answers.

In the field: an incident in a zone, a script that runs wild.
Must hold: the tenth recovery works as the first did; nothing is used up, nothing is left over.
Runbook: docs/runbooks/head-launch.md
"""

from functools import partial

from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.NOTHING
LOSSES = 10


def run(scene: Scene) -> None:
    """Terminate the leader, wait until another one has all workers, and so on."""
    for number in range(1, LOSSES + 1):
        lease = scene.lease()
        scene.terminate(lease.holder)
        words = f"head {number} of {LOSSES} replaced"
        scene.figures[f"loss {number}"] = scene.wait(words, partial(scene.is_back, lease.address))
