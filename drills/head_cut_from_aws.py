"""The head is cut off from AWS: it can renew its lease no more.

In the field: an endpoint, a route table or a role is broken for one subnet.
Must hold: the guard ends Ray before the lease of 10 s can be taken by anyone else (fencing), and
leads again once AWS can be reached.
Runbook: docs/runbooks/no-leader.md
"""

from drills.kit.fenced import await_fenced
from drills.kit.local import between, cut, mend
from drills.kit.phases import Recovery
from drills.kit.scene import Scene
from localcloud.network import API

RECOVERY = Recovery.HEAD
LOCAL_ONLY = "on AWS the endpoints have no addresses to cut off, and Run Command would go too"


def run(scene: Scene) -> None:
    """Drop what goes between the head and AWS until Ray is dead there, then mend it."""
    cut(scene, f"{scene.leader} is cut off from AWS", between(scene.address(scene.leader), API))
    await_fenced(scene)
    mend()
