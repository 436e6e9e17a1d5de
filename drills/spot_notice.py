"""EC2 announces that it takes a worker back, and takes it two minutes later.

In the field: spot capacity runs short.
Must hold: the watchdog has Ray drain the node within seconds, so that it gets no new work and its
instance ends without a surprise; another worker is launched; clients notice nothing.
Runbook: docs/runbooks/head-not-ready.md
"""

from drills.kit.local import interrupt
from drills.kit.phases import Recovery
from drills.kit.scene import Scene
from node.contract import DRAINING_MARK, WATCHDOG_UNIT

RECOVERY = Recovery.NOTHING
LOCAL_ONLY = "on AWS it takes spot instances and the Fault Injection Service"
WITHIN = 20.0
NOTICED = 15.0  # seconds: a look every 5, and a Ray that is asked
DRAINING = f"journalctl -b -u {WATCHDOG_UNIT}.service -o cat | grep -c {DRAINING_MARK} || true"


def run(scene: Scene) -> None:
    """Announce the interruption of a worker, and see it drained, gone and replaced."""
    worker, before = scene.workers[0], scene.before
    interrupt(scene, worker)
    took = scene.wait("Ray draining it", lambda: scene.on(worker, DRAINING).stdout.strip() != "0")
    scene.figures["drained"] = took
    scene.expect(took < NOTICED, f"it took {took:.0f} s")
    address = before.workers[worker]
    scene.wait("its node gone", lambda: address not in workers(scene), 240)
    scene.figures["replaced"] = scene.wait(
        "another worker", lambda: len(workers(scene)) >= len(before.nodes), 240
    )


def workers(scene: Scene) -> set[str]:
    """Return the addresses of Ray's living workers."""
    return {node.address for node in scene.api.nodes() if node.works}
