"""The head's GCS hangs: its process runs and its port is open, but it does not answer.

In the field: a deadlock, a disk that stalls.
Must hold: the guard asks the GCS itself, not only whether its process runs. After ten seconds
without an answer it stops Ray, gives the lease up and starts again.
Runbook: docs/runbooks/head-not-ready.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

RECOVERY = Recovery.HEAD


def run(cluster: ClusterUnderTest) -> None:
    """Stop the GCS (SIGSTOP) for good."""
    cluster.kill(cluster.leader, "gcs_server", signal="STOP")
