"""The head is cut off from AWS, so it cannot renew its lease.

In the field: an endpoint, a route table or a role is broken for one subnet.
Must hold: the guard stops Ray before another head can take the lease of 10 s (fencing), and leads
again once it can reach AWS.
Runbook: docs/runbooks/no-leader.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.fencing import await_fencing
from drills.kit.local_faults import between, drop_packets, restore_network
from drills.kit.phases import Recovery
from localcloud.network import API

RECOVERY = Recovery.HEAD
LOCAL_ONLY = "on AWS the endpoints have no fixed addresses, and Run Command would be cut off too"


def run(cluster: ClusterUnderTest) -> None:
    """Drop all packets between the head and AWS until Ray has stopped there."""
    drop_packets(
        cluster,
        f"{cluster.leader} is cut off from AWS",
        between(cluster.address(cluster.leader), API),
    )
    await_fencing(cluster)
    restore_network()
