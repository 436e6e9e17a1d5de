"""The head's metadata service does not answer.

In the field: a link-local route is lost, a proxy stands in its way, IMDS throttles.
Must hold: what is known is kept: the head that serves goes on, with the credentials that it has.
Runbook: docs/runbooks/head-not-ready.md
"""

from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.NOTHING
WITHIN = 5.0
SECONDS = 60.0


def run(scene: Scene) -> None:
    """Have the head drop what it sends to the metadata service for a minute."""
    scene.break_on(
        scene.leader,
        "no way to the metadata service",
        "ip route add blackhole 169.254.169.254/32",
        undo="ip route del blackhole 169.254.169.254/32",
    )
    scene.clock.sleep(SECONDS)
