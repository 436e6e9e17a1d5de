"""After the hand-over no worker joins the new head: they can reach none of the new heads.

In the field: a security group or a route that the new head's subnet lacks.
Must hold: the deploy does not count as a success: it rolls back (exit code 3) to the head that the
workers can reach, and all of them have joined again.
Runbook: docs/runbooks/stuck-deploy.md
"""

from itertools import product

from drills.kit.cluster import ClusterUnderTest
from drills.kit.deploys import AWAIT_STANDBY, ROLLED_BACK, deploy_heads, new_heads
from drills.kit.phases import Recovery

RECOVERY = Recovery.NONE
WITHIN = 180.0
LIMIT = "hand_over_seconds=60"


def run(cluster: ClusterUnderTest) -> None:
    """Let each worker drop its packets to the new heads, from before the hand-over on."""
    deploy = deploy_heads(cluster, until=AWAIT_STANDBY, limits=(LIMIT,))
    count = len(cluster.initial.heads)
    cluster.wait("the new heads", lambda: len(new_heads(cluster)) == count)
    for worker, new in product(cluster.workers, new_heads(cluster)):
        cluster.inject(
            worker,
            f"the route to {new.id} is gone",
            f"ip route add blackhole {new.address}/32",
            undo=f"ip route del blackhole {new.address}/32",
        )
    deploy.await_exit(ROLLED_BACK)
