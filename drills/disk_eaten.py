"""A driver on the head fills the disk that has Ray's session, and Ray goes on.

In the field: a job that was asked for the head downloads more than there is room for.
Must hold: the driver gets ENOSPC, Ray does not end, and the lease stays; a job whose driver is on a
worker goes on. While the disk is full Ray accepts no job, since it cannot log that; then it does.
Runbook: docs/runbooks/head-not-ready.md
"""

import shlex
from uuid import uuid4

from common.errors import PipelineError
from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

RECOVERY = Recovery.NONE
# Ray starts anew on the small disk first, and no job is accepted while that is full.
WITHIN = 180.0
# A file system of its own, so that nothing else on the instance or its host is full.
RESTART = "kill -KILL $(pgrep -x gcs_server) || true"
SMALL = (
    "mount -t tmpfs -o size=64m,mode=1777 raykiln-drill /tmp/ray; chown ray:ray /tmp/ray; "
    + RESTART
)
# Ray starts once more, with its session on the instance's disk.
UNDO = f"umount --lazy /tmp/ray; {RESTART}"
FULL = "df --output=avail /tmp/ray | tail -1"
PROGRAM = """
import errno, os, time
held = open("/tmp/ray/eaten", "wb", buffering=0)
try:
    while True:
        held.write(bytes(1 << 16))
except OSError as error:
    full = error.errno == errno.ENOSPC
time.sleep(20)
os.unlink("/tmp/ray/eaten")
raise SystemExit(0 if full else 1)
"""


def run(cluster: ClusterUnderTest) -> None:
    """Give Ray on the heads a small disk, have a driver fill it, and use the cluster meanwhile."""
    for head in cluster.initial.heads:
        cluster.inject(head, "a small disk for Ray", SMALL, undo=UNDO)
    began = cluster.initial.epoch
    cluster.wait("another epoch", lambda: cluster.lease().epoch > began, 120)
    cluster.wait("Ray on the small disk", lambda: runs_a_job(cluster), 120)
    lease = cluster.lease()
    beside = submitted(cluster, "sleep 45", on_head=False)
    cluster.wait("a job on a worker", lambda: cluster.api.job(beside).status == "RUNNING", 120)
    program = shlex.join(["/opt/ray/bin/python", "-c", PROGRAM])
    eater = submitted(cluster, program, on_head=True)
    cluster.wait("a full disk", lambda: is_full(cluster, lease.holder), 120)
    await_success(cluster, eater, "the driver did not get ENOSPC")
    await_success(cluster, beside, "the job on a worker failed")
    cluster.wait("drivers on the head again", lambda: runs_a_job(cluster), 120)
    cluster.expect(cluster.lease().epoch == lease.epoch, "the lease has changed hands")


def submitted(cluster: ClusterUnderTest, command: str, *, on_head: bool) -> str:
    """Submit a job, and return its id."""
    name = f"drill-{uuid4().hex[:12]}"
    cluster.api.submit(command, name, on_head=on_head)
    return name


def await_success(cluster: ClusterUnderTest, job: str, words: str) -> None:
    """Wait for a job's end; raise DrillFailed with these words unless it has succeeded."""
    cluster.wait("the end of a job", lambda: cluster.api.job(job).is_finished, 120)
    cluster.expect(cluster.api.job(job).succeeded, words)


def runs_a_job(cluster: ClusterUnderTest) -> bool:
    """Submit a job to the head that does nothing; say whether it has succeeded."""
    try:
        await_success(cluster, submitted(cluster, "true", on_head=True), "it failed")
        return True
    except PipelineError:
        return False  # it may be the next one


def is_full(cluster: ClusterUnderTest, head: str) -> bool:
    """Say whether nothing more can be written where Ray's session is."""
    return cluster.on(head, FULL).stdout.split() == ["0"]
