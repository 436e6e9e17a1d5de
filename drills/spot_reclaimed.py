"""A worker is terminated in the middle of a rollout.

In the field: EC2 interrupts a spot instance during a deploy.
Must hold: the deploy waits for the workers that are left, the autoscaler launches another, and the
rollout succeeds.
Runbook: docs/runbooks/stuck-deploy.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.deploys import DONE, HAND_OVER, deploy_heads
from drills.kit.phases import Recovery

RECOVERY = Recovery.NONE
WITHIN = 120.0


def run(cluster: ClusterUnderTest) -> None:
    """Terminate a worker as the lease is handed over."""
    deploy = deploy_heads(cluster, until=HAND_OVER)
    cluster.terminate(cluster.workers[0])
    deploy.await_exit(DONE)
