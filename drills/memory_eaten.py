"""A driver on the head uses up all memory.

In the field: a job that collects its results in one list.
Must hold: the kernel kills the driver and not Ray; the head keeps working, and clients hardly
notice.
Runbook: docs/runbooks/head-not-ready.md
"""

import shlex

from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

RECOVERY = Recovery.NONE
WITHIN = 60.0
PROGRAM = "x = []\nwhile True: x.append(bytearray(1 << 26))"


def run(cluster: ClusterUnderTest) -> None:
    """Submit a job that allocates memory until there is none left."""
    name = f"drill-memory-{cluster.clock.now():.0f}"
    cluster.record_fault(f"the job {name} uses up the memory of {cluster.leader}")
    cluster.api.submit(shlex.join(["/opt/ray/bin/python", "-c", PROGRAM]), name, on_head=True)
    took = cluster.wait("the job ended", lambda: cluster.api.job(name).is_finished, 300)
    cluster.figures["eater ended"] = took
    cluster.expect(not cluster.api.job(name).succeeded, "the job did not run out of memory")
