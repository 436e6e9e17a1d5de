"""The new head dies right after it has taken the lease over.

In the field: a release that crashes under its first work.
Must hold: an old head, which is a standby now, takes the lease back; the deploy rolls back (exit
code 3), and every worker has joined again.
Runbook: docs/runbooks/stuck-deploy.md
"""

from deploy.cluster.state import find_lease
from drills.kit.cluster import ClusterUnderTest
from drills.kit.deploys import HAND_OVER, ROLLED_BACK, deploy_heads
from drills.kit.phases import Recovery

RECOVERY = Recovery.NONE
WITHIN = 120.0


def run(cluster: ClusterUnderTest) -> None:
    """Terminate the new head as soon as it holds the lease."""
    deploy = deploy_heads(cluster, until=HAND_OVER)
    cluster.wait("the lease handed over", lambda: holder(cluster) not in ("", cluster.leader))
    cluster.terminate(holder(cluster))
    deploy.await_exit(ROLLED_BACK)
    cluster.expect(
        holder(cluster) in cluster.initial.heads,
        f"{holder(cluster) or 'no head'} leads instead of an old head",
    )


def holder(cluster: ClusterUnderTest) -> str:
    """Return the instance that holds the lease now; empty when none does."""
    lease = find_lease(cluster.clients, cluster.environment)
    return lease.holder if lease and not lease.released else ""
