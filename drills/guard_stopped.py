"""The head's guard hangs: its process exists and does nothing.

In the field: a frozen process, a host that stalls for long.
Must hold: before another head can take the lease of 10 s, the kernel kills the guard (7 s after
its last renewal) and systemd kills what is left of Ray. The guard starts again or another head
leads.
Runbook: docs/runbooks/no-leader.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery
from node.contract import HEAD_UNIT

RECOVERY = Recovery.HEAD


def run(cluster: ClusterUnderTest) -> None:
    """Stop the main process of ray-head.service (SIGSTOP) for good."""
    cluster.kill_unit(cluster.leader, f"{HEAD_UNIT}.service", signal="STOP")
