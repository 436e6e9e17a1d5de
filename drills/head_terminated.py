"""The head's instance is terminated.

In the field: a mistaken click, a script, EC2 retiring the host.
Must hold: its guard stops Ray and gives the lease up during the shutdown, the group launches
another head, and every worker comes back without a person.
Runbook: docs/runbooks/head-launch.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

RECOVERY = Recovery.HEAD


def run(cluster: ClusterUnderTest) -> None:
    """Terminate the leader."""
    cluster.terminate(cluster.leader)
