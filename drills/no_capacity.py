"""EC2 has no capacity for a rollout's new head.

In the field: a zone runs out of an instance type on the day of the release.
Must hold: the leader keeps working, clients notice nothing, and the deploy rolls back (exit code 3)
and gives EC2's reason.
Runbook: docs/runbooks/head-launch.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.deploys import ROLLED_BACK, deploy_heads
from drills.kit.local_faults import declare_shortage
from drills.kit.phases import Recovery

RECOVERY = Recovery.NONE
WITHIN = 20.0
LOCAL_ONLY = "EC2 has no call that exhausts its capacity"


def run(cluster: ClusterUnderTest) -> None:
    """Declare that no zone has capacity of any instance type, and deploy."""
    declare_shortage(cluster)
    deploy = deploy_heads(cluster)
    deploy.await_exit(ROLLED_BACK)
    cluster.expect("capacity" in deploy.error, f"the error does not say why: {deploy.error}")
