"""The metadata service does not answer while a new head boots.

In the field: IMDS throttles, or starts late on a new host.
Must hold: the new head waits for its identity, and leads once it has it.
Runbook: docs/runbooks/head-launch.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.local_faults import drop_packets, restore_network
from drills.kit.phases import Recovery

RECOVERY = Recovery.HEAD
LOCAL_ONLY = "on AWS the metadata service of a booting instance cannot be cut off"
SECONDS = 30.0


def run(cluster: ClusterUnderTest) -> None:
    """Drop all packets to the metadata service, and terminate the head meanwhile."""
    drop_packets(
        cluster, "packets to the metadata service are dropped", ["ip daddr 169.254.169.254"]
    )
    cluster.terminate(cluster.leader)
    cluster.clock.sleep(SECONDS)
    restore_network()
