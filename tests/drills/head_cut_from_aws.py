"""The head is cut off from AWS: it can renew its lease no more.

In the field: an endpoint, a route table or a role is broken for one subnet.
Must hold: the guard ends Ray before the lease of 10 s can be taken by anyone else (fencing), and
leads again once AWS can be reached.
Runbook: docs/runbooks/no-leader.md
"""

from localcloud.network import API
from tests.drills.kit.local import between, cut, mend
from tests.drills.kit.phases import Recovery
from tests.drills.kit.scene import Scene

RECOVERY = Recovery.HEAD
LOCAL_ONLY = "on AWS the endpoints have no addresses to cut off, and Run Command would go too"
FENCED = 10.0  # seconds: the length of the lease


def run(scene: Scene) -> None:
    """Drop what goes between the head and AWS until Ray is dead there, then mend it."""
    cut(scene, f"{scene.leader} is cut off from AWS", between(scene.address(scene.leader), API))
    began = scene.clock.now()
    scene.wait("Ray ended on the head that is cut off", lambda: not runs_ray(scene), 60)
    took = scene.clock.now() - began
    scene.figures["fenced"] = took
    scene.expect(took < FENCED + 1.0, f"Ray ran for {took:.1f} s without a lease")
    mend()


def runs_ray(scene: Scene) -> bool:
    """Say whether a GCS runs on the head."""
    return scene.on(scene.leader, "pgrep -xc gcs_server || true").stdout.strip() != "0"
