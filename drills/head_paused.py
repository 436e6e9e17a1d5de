"""The head stands still for 20 seconds and goes on: its clocks jump.

In the field: the host is migrated live, a hypervisor is short of CPU, somebody suspends it.
Must hold: its lease has lapsed while it knew nothing of it, so when it wakes its Ray is ended by
the kernel's timer before it can do any harm; there are never two heads at work.
Runbook: docs/runbooks/no-leader.md
"""

from drills.kit.local import pause
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.HEAD
LOCAL_ONLY = "EC2 has no call that makes an instance stand still"
SECONDS = 20.0
ENDED = 2.0  # seconds after it wakes
AGE = "pgrep -x gcs_server | xargs -r ps -o etimes= -p"


def run(scene: Scene) -> None:
    """Pause the head for longer than a lease; look when it wakes what runs there."""
    pause(scene, scene.leader, SECONDS)
    scene.clock.sleep(ENDED)
    ages = [int(age) for age in scene.on(scene.leader, AGE).stdout.split()]
    scene.expect(not [age for age in ages if age >= SECONDS], "its GCS lives on without a lease")
