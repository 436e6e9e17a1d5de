"""The head's Ray is killed: GCS and raylet at once.

In the field: the kernel is out of memory, a crash in Ray.
Must hold: the guard notices within a second or two and gives the lease up. It starts Ray again
under a new lease on the same instance, or a standby leads. Every worker comes back without a
person.
Runbook: docs/runbooks/head-not-ready.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

RECOVERY = Recovery.HEAD


def run(cluster: ClusterUnderTest) -> None:
    """Kill GCS and raylet on the leader."""
    cluster.kill(cluster.leader, "gcs_server", "raylet")
