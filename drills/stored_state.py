"""A head that keeps its state in Redis is terminated; an actor lives on.

In the field: an instance is lost in the middle of a long training.
Must hold: the next head knows the workers and the actor; the actor is the same process as before,
with what it had in memory.
Runbook: docs/runbooks/no-leader.md
"""

import shlex
from uuid import uuid4

from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.HEAD
PROGRAM = """
import os, ray
ray.init(namespace="drill", log_to_driver=False)

@ray.remote(num_cpus=0.1)
class Keeper:
    def __init__(self):
        self.calls = 0

    def call(self):
        self.calls += 1
        return f"{os.getpid()} {self.calls}"

keeper = Keeper.options(name="keeper", lifetime="detached", get_if_exists=True).remote()
pid, calls = ray.get(keeper.call.remote()).split()
if "%(check)s":
    ray.kill(keeper)
    assert f"{pid} {calls}" == "%(check)s", f"{pid} {calls}"
else:
    print(f"actor {pid} {calls}")
"""


def run(scene: Scene) -> None:
    """Start an actor, terminate the leader, and ask the actor who it is."""
    scene.expect(scene.environment.head.state == "redis", 'needs [head] state = "redis"')
    before = said(scene, "")
    pid, calls = before.split()
    gone = scene.address(scene.leader)
    scene.terminate(scene.leader)
    scene.wait("another head with all workers", lambda: scene.is_back(gone))
    said(scene, f"{pid} {int(calls) + 1}")


def said(scene: Scene, check: str) -> str:
    """Call the actor in a job; return its process and how often it was called."""
    name = f"drill-{uuid4().hex[:12]}"
    program = PROGRAM % {"check": check}
    scene.api.submit(shlex.join(["/opt/ray/bin/python", "-c", program]), name)
    scene.wait("the actor", lambda: scene.api.job(name).is_finished)
    log = scene.api.logs(name)
    scene.expect(scene.api.job(name).succeeded, f"the actor is another: {log[-300:]}")
    found = [line for line in log.splitlines() if line.startswith("actor ")]
    return found[-1].removeprefix("actor ") if found else ""
