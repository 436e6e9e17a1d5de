"""The autoscaler's configuration in the bucket is corrupted, and then the head's Ray dies.

In the field: a person edits it by hand, an upload is interrupted.
Must hold: the running head does not read it; its next Ray starts with the guard's copy.
Runbook: docs/runbooks/head-not-ready.md
"""

from common.clients import translated
from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

RECOVERY = Recovery.HEAD


def run(cluster: ClusterUnderTest) -> None:
    """Overwrite the head's configuration, then kill Ray; restore the configuration at the end."""
    lease = cluster.lease()
    bucket, _, key = lease.autoscaler.removeprefix("s3://").partition("/")
    with translated(f"corrupting {lease.autoscaler}"):
        s3 = cluster.clients("s3")
        original = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        cluster.cleanup.callback(s3.put_object, Bucket=bucket, Key=key, Body=original)
        s3.put_object(Bucket=bucket, Key=key, Body=b"cluster_name: [\n")
    cluster.record_fault(f"{lease.autoscaler} is corrupted")
    cluster.kill(cluster.leader, "gcs_server", "raylet")
