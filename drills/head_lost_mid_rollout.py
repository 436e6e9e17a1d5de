"""The leader is lost while a rollout's new head still boots.

In the field: the old instance fails on the very day of its replacement.
Must hold: a head takes the lease as usual. The deploy ends with the new release (0) or the old one
(3), or says why it stopped (2) and continues when it is run again; the cluster is healthy.
Runbook: docs/runbooks/stuck-deploy.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.deploys import AWAIT_STANDBY, DONE, FAILED, ROLLED_BACK, deploy_heads
from drills.kit.phases import Recovery

RECOVERY = Recovery.HEAD
WITHIN = 300.0


def run(cluster: ClusterUnderTest) -> None:
    """Terminate the leader while the deploy waits for the new head; deploy again if it stopped."""
    deploy = deploy_heads(cluster, until=AWAIT_STANDBY)
    cluster.terminate(cluster.leader)
    deploy.await_exit(DONE, ROLLED_BACK, FAILED)
    cluster.figures["first exit code"] = float(deploy.exit_code)
    if deploy.exit_code == FAILED:
        deploy.start_again().await_exit(DONE)
