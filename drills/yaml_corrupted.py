"""The autoscaler's configuration in the bucket is spoiled, and then the head's Ray dies.

In the field: somebody edits it by hand, an upload is cut off.
Must hold: the head that serves does not touch it; its next Ray starts with what the guard has.
Runbook: docs/runbooks/head-not-ready.md
"""

from common.clients import translated
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.HEAD


def run(scene: Scene) -> None:
    """Overwrite the document that the head works by, then kill Ray; put it right at the end."""
    lease = scene.lease()
    bucket, _, key = lease.autoscaler.removeprefix("s3://").partition("/")
    with translated(f"spoiling {lease.autoscaler}"):
        s3 = scene.clients("s3")
        right = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        scene.undo.callback(s3.put_object, Bucket=bucket, Key=key, Body=right)
        s3.put_object(Bucket=bucket, Key=key, Body=b"cluster_name: [\n")
    scene.breaks(f"{lease.autoscaler} is spoiled")
    scene.kill(scene.leader, "gcs_server", "raylet")
