"""The load balancer drops what clients send to the head; its health checks still pass.

In the field: a load balancer's node in one zone is broken; AWS takes minutes to notice.
Must hold: workers do not depend on it: none leaves, and the head keeps working. Clients are served
again as soon as the load balancer works.
Runbook: docs/runbooks/no-healthy-target.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.local_faults import drop_packets, restore_network
from drills.kit.phases import Recovery
from node.contract import RAY_PORTS

RECOVERY = Recovery.NONE
LOCAL_ONLY = "a load balancer of AWS cannot be made to drop packets"
WITHIN = 90.0
SECONDS = 45.0


def run(cluster: ClusterUnderTest) -> None:
    """Drop the load balancer's packets to Ray's ports for a while; check that no worker leaves."""
    head = cluster.address(cluster.leader)
    ports = f"tcp dport {{ {', '.join(map(str, RAY_PORTS))} }}"
    balancer = sorted(cluster.resolve(cluster.environment.head_dns))
    before = nodes(cluster)
    drop_packets(
        cluster,
        f"the load balancer at {', '.join(balancer)} drops packets",
        [f"ip saddr {address} ip daddr {head} {ports}" for address in balancer],
    )
    cluster.clock.sleep(SECONDS)
    restore_network()
    cluster.wait(
        "Ray at the stable name",
        lambda: cluster.observer.observations.nodes[-1].at > cluster.clock.now() - 2,
    )
    cluster.expect(nodes(cluster) == before, "nodes have left and joined again")


def nodes(cluster: ClusterUnderTest) -> set[str]:
    """Return the ids of Ray's alive nodes."""
    return {node.id for node in cluster.api.nodes() if node.is_alive}
