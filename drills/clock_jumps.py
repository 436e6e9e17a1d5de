"""The clock of the head jumps ten minutes ahead: AWS takes nothing that it signs any more.

In the field: a time service that is wrong, or somebody who sets the clock.
Must hold: nobody compares two machines' clocks, so the head can only lose what AWS refuses it: it
ends its Ray before the lease of 10 s can be taken by anyone else, and there is a head again.
Runbook: docs/runbooks/no-leader.md
"""

from drills.kit.fenced import await_fenced
from drills.kit.local import put_clocks_right, set_clock
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.HEAD
LOCAL_ONLY = "an instance's time service would set it right at once"
AHEAD = 600.0  # seconds, of which AWS allows 300


def run(scene: Scene) -> None:
    """Have the clock be off until Ray is dead there, then put it right."""
    set_clock(scene, scene.leader, AHEAD)
    await_fenced(scene)
    put_clocks_right()
