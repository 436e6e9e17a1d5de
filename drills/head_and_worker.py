"""The head and a worker are lost at the same moment.

In the field: both on one host, or in one zone.
Must hold: each is replaced, the head by its group, the worker by the new head's autoscaler.
Runbook: docs/runbooks/head-launch.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

RECOVERY = Recovery.HEAD
WITHIN = 240.0


def run(cluster: ClusterUnderTest) -> None:
    """Terminate both."""
    cluster.terminate(cluster.leader, cluster.workers[0])
