"""A deploy is killed in the middle of a rollout, and the same command is run again.

In the field: a laptop is closed, a CI job is cancelled.
Must hold: the dead deployer's lock lapses, the second run continues the rollout, and the cluster
serves the new release.
Runbook: docs/runbooks/stuck-deploy.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.deploys import DONE, HAND_OVER, deploy_heads
from drills.kit.phases import Recovery

RECOVERY = Recovery.NONE
WITHIN = 120.0


def run(cluster: ClusterUnderTest) -> None:
    """Kill the deployer as it hands the lease over, then deploy again."""
    first = deploy_heads(cluster, until=HAND_OVER)
    first.kill()
    cluster.record_fault("the deployer is killed as it hands the lease over")
    first.start_again().await_exit(DONE)
