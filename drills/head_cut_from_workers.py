"""The head is cut off from all workers, and from nothing else.

In the field: a security group or a network ACL is changed.
Must hold: head and lease stay where they are. Once the network is restored, every worker has joined
again.
Runbook: docs/runbooks/head-not-ready.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.local_faults import between, drop_packets, restore_network
from drills.kit.phases import Recovery

RECOVERY = Recovery.WORKERS
LOCAL_ONLY = "the images have no packet filter that Run Command could use"


def run(cluster: ClusterUnderTest) -> None:
    """Drop all packets between the head and its workers until Ray has lost them."""
    head = cluster.address(cluster.leader)
    pairs = [between(head, address) for address in cluster.initial.workers.values()]
    packets = [match for pair in pairs for match in pair]
    drop_packets(cluster, f"{cluster.leader} is cut off from its workers", packets)
    cluster.wait("the workers lost", lambda: not cluster.observer.observations.nodes[-1].workers)
    cluster.figures["all workers lost"] = cluster.clock.now() - (cluster.fault_at or 0.0)
    restore_network()
