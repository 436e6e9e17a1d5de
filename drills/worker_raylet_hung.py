"""A worker's raylet hangs: its process exists and does nothing.

In the field: a disk that stalls, a node that swaps.
Must hold: Ray declares the node dead. The worker's watchdog, which asks the GCS whether its raylet
is alive, kills the raylet, and the worker joins again. The head does not notice.
Runbook: docs/runbooks/head-not-ready.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

RECOVERY = Recovery.WORKERS


def run(cluster: ClusterUnderTest) -> None:
    """Stop the raylet of one worker (SIGSTOP) for good."""
    cluster.kill(cluster.workers[0], "raylet", signal="STOP")
