"""A driver on the head eats all of its memory.

In the field: a job that collects its results in one list.
Must hold: the kernel ends the driver and not Ray; the head goes on, clients hardly notice.
Runbook: docs/runbooks/head-not-ready.md
"""

import shlex

from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.NOTHING
WITHIN = 60.0
EATER = "x = []\nwhile True: x.append(bytearray(1 << 26))"


def run(scene: Scene) -> None:
    """Submit a job that takes memory for as long as there is some."""
    name = f"drill-memory-{scene.clock.now():.0f}"
    scene.breaks(f"the job {name} eats the memory of {scene.leader}")
    scene.api.submit(shlex.join(["/opt/ray/bin/python", "-c", EATER]), name)
    took = scene.wait("the job ended", lambda: scene.api.job(name).is_finished, 300)
    scene.figures["eater ended"] = took
    scene.expect(not scene.api.job(name).succeeded, "the job had memory enough")
