"""The stable name resolves to an unused address, and meanwhile the head's Ray dies.

In the field: a record that is edited by hand, a resolver that keeps an old answer.
Must hold: workers find the head by its lease, so all of them are back before the name is correct.
Runbook: docs/runbooks/no-healthy-target.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.dns import redirect_stable_name
from drills.kit.phases import Recovery

RECOVERY = Recovery.HEAD
UNUSED = "192.0.2.1"  # reserved for documentation: RFC 5737
SECONDS = 60.0
AT_ONCE = 3.0  # seconds: a few readings


def run(cluster: ClusterUnderTest) -> None:
    """Redirect the name, kill Ray, and check that all workers are back once the name is correct."""
    with redirect_stable_name(cluster, UNUSED):
        cluster.kill(cluster.leader, "gcs_server", "raylet")
        cluster.clock.sleep(SECONDS)
        count = len(cluster.observer.observations.nodes)
    nodes = cluster.observer.observations.nodes
    cluster.wait("Ray at the stable name", lambda: len(nodes) > count)
    took = cluster.wait("all workers", cluster.is_back)
    cluster.expect(took < AT_ONCE, f"workers were back {took:.0f} s after the name was correct")
