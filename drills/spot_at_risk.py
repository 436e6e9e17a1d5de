"""EC2 recommends to replace a spot worker that is busy, since it is at risk of interruption.

In the field: spot capacity runs short, minutes before an interruption or without one.
Must hold: the watchdog has Ray drain the node within seconds, so that it gets no new work. Ray's
autoscaler launches another worker while the first finishes its work; at the deadline, the rollout's
drain time, it leaves, and clients notice nothing.
Runbook: docs/runbooks/worker-launch.md
"""

import shlex
from uuid import uuid4

from drills.kit.cluster import ClusterUnderTest
from drills.kit.local_faults import recommend_replacement
from drills.kit.phases import Recovery
from drills.spot_notice import DRAINED_WITHIN, DRAINING, workers

RECOVERY = Recovery.NONE
LOCAL_ONLY = "on AWS it needs the Fault Injection Service"
WITHIN = 20.0
GIVEN_UP_WITHIN = 60.0  # seconds after the deadline
# An actor on one worker, by Ray's id of it, for as long as the node is there.
HOLD = """
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

@ray.remote(num_cpus=0.1)
class Holder:
    def ping(self):
        return "held"

ray.init(log_to_driver=False)
on = NodeAffinitySchedulingStrategy(node_id="%s", soft=False)
holder = Holder.options(name="%s", lifetime="detached", scheduling_strategy=on).remote()
print(ray.get(holder.ping.remote()))
"""


def run(cluster: ClusterUnderTest) -> None:
    """Recommend to replace a busy worker; check that it is drained, replaced, and then given up."""
    groups = cluster.environment.workers.items()
    worker = cluster.spot_worker([name for name, group in groups if group.rebalance == "drain"])
    deadline = cluster.environment.rollout.drain_seconds
    address = cluster.initial.workers[worker]
    hold(cluster, address)
    recommend_replacement(cluster, worker)
    took = cluster.wait("the drain", lambda: cluster.on(worker, DRAINING).stdout.strip() != "0")
    cluster.figures["drained"] = took
    cluster.expect(took < DRAINED_WITHIN, f"the drain began after {took:.0f} s")
    known = set(cluster.initial.workers.values())
    cluster.figures["replaced"] = cluster.wait(
        "another worker", lambda: bool(workers(cluster) - known), 240
    )
    cluster.figures["left"] = cluster.wait(
        "its node gone", lambda: address not in workers(cluster), deadline + GIVEN_UP_WITHIN
    )


def hold(cluster: ClusterUnderTest, address: str) -> None:
    """Keep the node at this address busy."""
    (node,) = (node.id for node in cluster.api.nodes() if node.address == address and node.works)
    name = f"drill-{uuid4().hex[:12]}"
    program = HOLD % (node, name)
    cluster.api.submit(shlex.join(["/opt/ray/bin/python", "-c", program]), name)
    cluster.wait("an actor on the worker", lambda: cluster.api.job(name).is_finished)
    cluster.expect(cluster.api.job(name).succeeded, cluster.api.logs(name)[-300:])
