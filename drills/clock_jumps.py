"""The clock of the head jumps ten minutes ahead, so AWS rejects the requests that it signs.

In the field: a wrong time service, or a person who sets the clock.
Must hold: no one compares the clocks of two machines, so the head can only lose what AWS refuses
it: it stops Ray before another head can take the lease of 10 s, and there is a head again.
Runbook: docs/runbooks/no-leader.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.fencing import await_fencing
from drills.kit.local_faults import reset_clocks, set_clock
from drills.kit.phases import Recovery

RECOVERY = Recovery.HEAD
LOCAL_ONLY = "an instance's time service would correct it at once"
AHEAD = 600.0  # seconds; AWS accepts requests that are up to 300 s off


def run(cluster: ClusterUnderTest) -> None:
    """Set the clock ahead until Ray has stopped there, then correct it."""
    set_clock(cluster, cluster.leader, AHEAD)
    await_fencing(cluster)
    reset_clocks()
