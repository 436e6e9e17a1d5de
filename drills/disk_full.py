"""The head's disk is full where Ray keeps its session, and then its Ray dies.

In the field: logs, spilled objects or a job's downloads fill the volume.
Must hold: a Ray that cannot start does not hold the lease for long: the instance gives up, and
another head leads.
Runbook: docs/runbooks/head-not-ready.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

RECOVERY = Recovery.HEAD
# A separate file system, so that nothing else on the instance or its host is full.
FILL = (
    "mount -t tmpfs -o size=8m,mode=1777 raykiln-drill /tmp/ray && "
    "chown ray:ray /tmp/ray && (dd if=/dev/zero of=/tmp/ray/full bs=64k 2>/dev/null || true)"
)


def run(cluster: ClusterUnderTest) -> None:
    """Mount a full file system over Ray's sessions on the head, then kill Ray there."""
    leader = cluster.leader
    cluster.inject(leader, "the disk is full", FILL, undo="umount --lazy /tmp/ray")
    cluster.kill(leader, "gcs_server", "raylet")
