"""After the hand-over no worker joins the new head: they cannot reach it.

In the field: a security group or a route that the new head's subnet lacks.
Must hold: the deploy does not count as a success: it rolls back (exit code 3) to the head that the
workers can reach, and all of them have joined again.
Runbook: docs/runbooks/stuck-deploy.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.deploys import AWAIT_STANDBY, ROLLED_BACK, deploy_heads, new_heads
from drills.kit.phases import Recovery

RECOVERY = Recovery.NONE
WITHIN = 180.0
LIMIT = "hand_over_seconds=60"


def run(cluster: ClusterUnderTest) -> None:
    """Let each worker drop its packets to the new head, from before the hand-over on."""
    deploy = deploy_heads(cluster, until=AWAIT_STANDBY, limits=(LIMIT,))
    cluster.wait("a new head", lambda: bool(new_heads(cluster)))
    (new,) = new_heads(cluster)
    for worker in cluster.workers:
        cluster.inject(
            worker,
            f"the route to {new.id} is gone",
            f"ip route add blackhole {new.address}/32",
            undo=f"ip route del blackhole {new.address}/32",
        )
    deploy.await_exit(ROLLED_BACK)
