"""The head's guard is killed.

In the field: the kernel is out of memory, a bug of ours.
Must hold: systemd stops Ray with its guard and starts both again. The new guard knows that nothing
of the old Ray is left, and takes the lease without waiting for it to lapse.
Runbook: docs/runbooks/no-leader.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery
from node.contract import HEAD_UNIT

RECOVERY = Recovery.HEAD


def run(cluster: ClusterUnderTest) -> None:
    """Kill the main process of ray-head.service."""
    cluster.kill_unit(cluster.leader, f"{HEAD_UNIT}.service")
