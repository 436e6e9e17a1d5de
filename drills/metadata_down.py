"""The head's metadata service does not answer.

In the field: a link-local route is lost, a proxy is in the way, IMDS throttles.
Must hold: the head keeps working with the credentials and facts that it already has.
Runbook: docs/runbooks/head-not-ready.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

RECOVERY = Recovery.NONE
WITHIN = 5.0
SECONDS = 60.0
CUT = "ip route add blackhole 169.254.169.254/32"
RESTORE = "ip route del blackhole 169.254.169.254/32"


def run(cluster: ClusterUnderTest) -> None:
    """Let the head drop its packets to the metadata service for a minute."""
    cluster.inject(
        cluster.leader,
        "the route to the metadata service is gone",
        CUT,
        undo=RESTORE,
    )
    cluster.clock.sleep(SECONDS)
