"""A worker's raylet is killed.

In the field: the kernel is out of memory, a crash in Ray.
Must hold: systemd starts Ray again on the same instance, which joins as a new node, or Ray's
autoscaler is faster and replaces the instance; the head and the other workers do not notice.
Runbook: docs/runbooks/head-not-ready.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

RECOVERY = Recovery.WORKERS


def run(cluster: ClusterUnderTest) -> None:
    """Kill the raylet of one worker."""
    cluster.kill(cluster.workers[0], "raylet")
