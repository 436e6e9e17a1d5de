"""The head is paused for 20 seconds and continues: its clocks jump.

In the field: a live migration of the host, a hypervisor that is short of CPU, a suspended instance.
Must hold: its lease lapses while it is paused, so the kernel's timer kills its Ray as soon as it
wakes, before it can do harm; there are never two active heads.
Runbook: docs/runbooks/no-leader.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.local_faults import pause
from drills.kit.phases import Recovery

RECOVERY = Recovery.HEAD
LOCAL_ONLY = "EC2 has no call that pauses an instance"
SECONDS = 20.0
KILLED_AFTER = 2.0  # seconds after it wakes
AGE = "pgrep -x gcs_server | xargs -r ps -o etimes= -p"


def run(cluster: ClusterUnderTest) -> None:
    """Pause the head for longer than a lease; check what runs there when it wakes."""
    pause(cluster, cluster.leader, SECONDS)
    cluster.clock.sleep(KILLED_AFTER)
    ages = [int(age) for age in cluster.on(cluster.leader, AGE).stdout.split()]
    cluster.expect(not [age for age in ages if age >= SECONDS], "its GCS runs without a lease")
