"""The head loses its power: no shutdown, no last request.

In the field: the instance's host dies.
Must hold: the lease is not given up, so it lapses. EC2 and the group notice that the instance no
longer runs and launch another head, which takes the lease; every worker comes back without a
person.
Runbook: docs/runbooks/no-leader.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.local_faults import cut_power
from drills.kit.phases import Recovery

RECOVERY = Recovery.HEAD
LOCAL_ONLY = "EC2 has no call that cuts an instance's power"


def run(cluster: ClusterUnderTest) -> None:
    """Cut the power of the leader."""
    cut_power(cluster, cluster.leader)
