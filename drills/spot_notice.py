"""EC2 gives notice that it interrupts a worker, and interrupts it two minutes later.

In the field: spot capacity runs short.
Must hold: the watchdog has Ray drain the node within seconds, so that it gets no new work before
its instance is terminated; another worker is launched, and clients notice nothing.
Runbook: docs/runbooks/worker-launch.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.local_faults import interrupt_spot
from drills.kit.phases import Recovery
from node.contract import DRAINING_MARK, WATCHDOG_UNIT

RECOVERY = Recovery.NONE
LOCAL_ONLY = "on AWS it needs spot instances and the Fault Injection Service"
WITHIN = 20.0
DRAINED_WITHIN = 15.0  # seconds: the watchdog reads the notice every 5 s, then asks Ray
DRAINING = f"journalctl -b -u {WATCHDOG_UNIT}.service -o cat | grep -c {DRAINING_MARK} || true"


def run(cluster: ClusterUnderTest) -> None:
    """Announce the interruption of a worker; check that it is drained, removed and replaced."""
    worker, initial = cluster.spot_worker(cluster.environment.workers), cluster.initial
    interrupt_spot(cluster, worker)
    took = cluster.wait("the drain", lambda: cluster.on(worker, DRAINING).stdout.strip() != "0")
    cluster.figures["drained"] = took
    cluster.expect(took < DRAINED_WITHIN, f"the drain began after {took:.0f} s")
    address = initial.workers[worker]
    cluster.wait("its node gone", lambda: address not in workers(cluster), 240)
    cluster.figures["replaced"] = cluster.wait(
        "another worker", lambda: len(workers(cluster)) >= len(initial.nodes), 240
    )


def workers(cluster: ClusterUnderTest) -> set[str]:
    """Return the addresses of Ray's alive workers."""
    return {node.address for node in cluster.api.nodes() if node.works}
