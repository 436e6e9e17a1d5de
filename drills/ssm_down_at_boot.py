"""Systems Manager cannot be reached while a new head boots.

In the field: an endpoint is deleted, the service has an outage.
Must hold: the new head waits for its token and leads once it has it, instead of giving up.
Runbook: docs/runbooks/head-launch.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.dns import OVERLAP, hide_names
from drills.kit.phases import Recovery

RECOVERY = Recovery.HEAD
LOCAL_ONLY = OVERLAP
SECONDS = 40.0


def run(cluster: ClusterUnderTest) -> None:
    """Hide SSM's name, and terminate the head meanwhile."""
    with hide_names(cluster, f"ssm.{cluster.environment.region}.amazonaws.com"):
        cluster.terminate(cluster.leader)
        cluster.clock.sleep(SECONDS)
