"""A head that keeps its state in Redis is terminated; an actor lives on.

In the field: an instance is lost in the middle of a long training.
Must hold: the next head knows the workers and the actor; the actor is the same process as before,
with its memory.
Runbook: docs/runbooks/no-leader.md
"""

import shlex
from uuid import uuid4

from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

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
if "%(expected)s":
    ray.kill(keeper)
    if f"{pid} {calls}" != "%(expected)s":
        raise SystemExit(f"{pid} {calls} instead of %(expected)s")
else:
    print(f"actor {pid} {calls}")
"""


def run(cluster: ClusterUnderTest) -> None:
    """Start an actor, terminate the leader, and check that the actor is the same process."""
    cluster.expect(cluster.environment.head.state == "redis", 'needs [head] state = "redis"')
    pid, calls = call_actor(cluster).split()
    address = cluster.address(cluster.leader)
    cluster.terminate(cluster.leader)
    cluster.wait("another head with all workers", lambda: cluster.is_back(address))
    call_actor(cluster, expected=f"{pid} {int(calls) + 1}")


def call_actor(cluster: ClusterUnderTest, expected: str = "") -> str:
    """Call the actor in a job; return its process id and the number of calls.

    With ``expected``, raise DrillFailed unless the actor returns exactly that; then remove it.
    """
    name = f"drill-{uuid4().hex[:12]}"
    program = PROGRAM % {"expected": expected}
    cluster.api.submit(shlex.join(["/opt/ray/bin/python", "-c", program]), name, on_head=True)
    cluster.wait("the actor", lambda: cluster.api.job(name).is_finished)
    log = cluster.api.logs(name)
    cluster.expect(cluster.api.job(name).succeeded, f"it is not the same actor: {log[-300:]}")
    found = [line for line in log.splitlines() if line.startswith("actor ")]
    return found[-1].removeprefix("actor ") if found else ""
