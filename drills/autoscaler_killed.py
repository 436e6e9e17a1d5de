"""The process of the head's autoscaler is killed.

In the field: the kernel is out of memory, a crash in Ray.
Must hold: Ray on the head runs on, the leader leads on, and clients and workers notice nothing. The
autoscaler is started again within seconds: a worker that is terminated then is replaced.
Runbook: docs/runbooks/autoscaler.md
"""

from drills.autoscaler_broken import lose_a_worker
from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

RECOVERY = Recovery.NONE
WITHIN = 20.0
STARTED_WITHIN = 15.0  # seconds: it is looked for once a second, and started a second later
# Not its own text: the brackets keep pgrep from finding the shell that runs it.
PROCESS = "pgrep -f 'node.ray.[a]utoscaler' || true"


def run(cluster: ClusterUnderTest) -> None:
    """Kill the autoscaler; check that another runs, and that it replaces a lost worker."""
    epoch, killed = cluster.lease().epoch, process(cluster)
    cluster.inject(cluster.leader, "SIGKILL to the autoscaler", f"kill -KILL {killed}")
    took = cluster.wait("another autoscaler", lambda: process(cluster) not in ("", killed))
    cluster.figures["started"] = took
    cluster.expect(took < STARTED_WITHIN, f"it was started again after {took:.0f} s")
    lose_a_worker(cluster)
    cluster.expect(cluster.lease().epoch == epoch, "the lease has changed hands")


def process(cluster: ClusterUnderTest) -> str:
    """Return the autoscaler's process id on the leader; empty when none runs."""
    return cluster.on(cluster.leader, PROCESS).stdout.strip()
