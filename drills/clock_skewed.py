"""The deployer's clock is four minutes ahead; AWS rejects requests from five minutes on.

In the field: a laptop that woke up, a CI machine without a time service.
Must hold: the rollout works as usual, since no one compares the clocks of two machines: a deploy
lock does not look abandoned, and earlier events at AWS are not mistaken for current ones.
Runbook: docs/runbooks/stuck-deploy.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.deploys import DONE, deploy_heads
from drills.kit.phases import Recovery

RECOVERY = Recovery.NONE
WITHIN = 120.0


def run(cluster: ClusterUnderTest) -> None:
    """Deploy with a clock that is four minutes ahead."""
    cluster.record_fault("the deployer's clock is four minutes ahead")
    deploy_heads(cluster, clock_off=240.0).await_exit(DONE)
