"""The head is lost ten times, each time as soon as a new one answers.

In the field: an incident in a zone, a script that is out of control.
Must hold: the tenth recovery works as the first did; nothing is used up, nothing is left behind.
Runbook: docs/runbooks/head-launch.md
"""

from functools import partial

from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

RECOVERY = Recovery.NONE
LOSSES = 10


def run(cluster: ClusterUnderTest) -> None:
    """Terminate the leader, wait until another head has all workers, and repeat."""
    for number in range(1, LOSSES + 1):
        lease = cluster.lease()
        cluster.terminate(lease.holder)
        words = f"head {number} of {LOSSES} replaced"
        cluster.figures[f"loss {number}"] = cluster.wait(
            words, partial(cluster.is_back, lease.address)
        )
