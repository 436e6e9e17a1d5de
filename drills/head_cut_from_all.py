"""The head is cut off from everything: AWS, workers, clients.

In the field: its host loses the network, and gets it back a minute later.
Must hold: it stops Ray while it is cut off, so that there are never two heads. Once it is
connected, one head leads and every worker has joined again.
Runbook: docs/runbooks/no-leader.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.local_faults import drop_packets, restore_network
from drills.kit.phases import Recovery

RECOVERY = Recovery.HEAD
LOCAL_ONLY = "Run Command would be cut off too, and could not end the fault"
SECONDS = 30.0


def run(cluster: ClusterUnderTest) -> None:
    """Drop all packets to and from the head for a while."""
    head = cluster.address(cluster.leader)
    drop_packets(cluster, f"{cluster.leader} is cut off", [f"ip saddr {head}", f"ip daddr {head}"])
    cluster.clock.sleep(SECONDS)
    cluster.figures["cut off"] = SECONDS
    restore_network()
