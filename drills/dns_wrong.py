"""The stable name leads to an address that nobody has, and the head's Ray dies meanwhile.

In the field: a record that is edited by hand, a resolver that keeps an old answer.
Must hold: workers find the head by its lease, so all of them are back before the name is right.
Runbook: docs/runbooks/no-healthy-target.md
"""

from drills.kit.names import leading_to
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.HEAD
NOBODY = "192.0.2.1"  # for documentation: RFC 5737
SECONDS = 60.0
AT_ONCE = 3.0  # seconds: a few looks


def run(scene: Scene) -> None:
    """Lead the name astray, kill Ray, and look once the name is right whether all are there."""
    with leading_to(scene, NOBODY):
        scene.kill(scene.leader, "gcs_server", "raylet")
        scene.clock.sleep(SECONDS)
        looks = len(scene.witness.seen.nodes)
    scene.wait("Ray at the stable name", lambda: len(scene.witness.seen.nodes) > looks)
    took = scene.wait("all workers", scene.is_back)
    scene.expect(took < AT_ONCE, f"workers came {took:.0f} s after the name was right")
