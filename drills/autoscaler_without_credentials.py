"""Ray's autoscaler starts while the metadata service does not answer: it never gets credentials.

In the field: IMDS throttles, or starts late, as a head takes over.
Must hold: the guard restarts the autoscaler, since it completes no round. The leader leads on,
and a worker that is terminated is replaced.
Runbook: docs/runbooks/autoscaler.md
"""

from drills import metadata_down
from drills.autoscaler_broken import lose_a_worker
from drills.autoscaler_killed import process
from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

RECOVERY = Recovery.NONE
WITHIN = 20.0
# It runs once more at the end of the drill, when the route has been deleted.
RESTORE = f"{metadata_down.RESTORE} 2>/dev/null || true"
# Once for each round that fails.
FAILED = "grep -c NoCredentialsError /tmp/ray/session_latest/logs/monitor.log || true"


def run(cluster: ClusterUnderTest) -> None:
    """Kill the autoscaler while there is no metadata service; then lose a worker."""
    epoch, killed, before = cluster.lease().epoch, process(cluster), failed_rounds(cluster)
    script = f"{metadata_down.CUT}; kill -KILL {killed}"
    words = "the route to the metadata service is gone; SIGKILL to the autoscaler"
    cluster.inject(cluster.leader, words, script, undo=RESTORE)
    cluster.wait("a round without credentials", lambda: failed_rounds(cluster) > before, 60)
    without = process(cluster)
    cluster.on(cluster.leader, RESTORE)
    cluster.figures["restarted"] = cluster.wait(
        "another autoscaler", lambda: process(cluster) not in ("", without), 120
    )
    lose_a_worker(cluster)
    cluster.expect(cluster.lease().epoch == epoch, "the lease has changed hands")


def failed_rounds(cluster: ClusterUnderTest) -> int:
    """Return how many rounds have failed on the leader since its Ray came up."""
    return int(cluster.on(cluster.leader, FAILED).stdout)
