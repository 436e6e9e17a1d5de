"""The raylet of every worker is killed, one right after the other.

In the field: a bad job that takes the memory of every node.
Must hold: the same number of workers joins again without a person, each on its instance or, where
Ray's autoscaler was faster, on another; the head keeps answering.
Runbook: docs/runbooks/head-not-ready.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

RECOVERY = Recovery.WORKERS


def run(cluster: ClusterUnderTest) -> None:
    """Kill the raylet of each worker."""
    for worker in cluster.workers:
        cluster.kill(worker, "raylet")
