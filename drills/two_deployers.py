"""Two people deploy the same cluster at once.

In the field: a laptop and a CI job, a button pressed twice.
Must hold: the second deploy is refused (exit code 1) and names the running deployer; the first
succeeds.
Runbook: docs/runbooks/stuck-deploy.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.deploys import ANOTHER_DEPLOYER, AWAIT_STANDBY, DONE, REFUSED, deploy_heads
from drills.kit.phases import Recovery

RECOVERY = Recovery.NONE
WITHIN = 120.0


def run(cluster: ClusterUnderTest) -> None:
    """Start a second deploy while the first waits for its new head."""
    first = deploy_heads(cluster, until=AWAIT_STANDBY)
    cluster.record_fault("a second deployer starts")
    second = first.start_again()
    second.await_exit(REFUSED)
    cluster.expect(ANOTHER_DEPLOYER in second.error, f"no deployer is named: {second.error}")
    first.await_exit(DONE)
