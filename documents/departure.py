"""Leave the cluster in order: ``python3 -m documents.departure``, on the node that leaves.

First Ray drains the node, so that nothing new comes to it, then its consumers finish the documents
that they have. The keeper starts others where there is room. Without this a document waits until
its claim and its message lapse, and is read from its beginning.
"""

import ray

from documents.consumer import states, stop
from documents.entry import connect
from documents.log import JsonLog
from documents.program import run

SECONDS = 90.0
PREEMPTION = 2  # DRAIN_NODE_REASON_PREEMPTION, ray/protobuf/autoscaler.proto; never refused


def drain(node_id: str) -> None:
    """Have Ray place nothing on a node any more, as ``ray drain-node`` does (Ray 2.60)."""
    gcs = ray.get_runtime_context().worker.gcs_client
    gcs.drain_node(node_id, PREEMPTION, "its task is stopped", 0)


def main() -> None:
    """Drain this node and stop its consumers."""
    log = JsonLog("departure")
    connect()
    here = ray.get_runtime_context().get_node_id()
    drain(here)
    mine = [name for name, state in states().items() if state.get("node") == here]
    log("draining", consumers=mine)
    stop(mine, SECONDS)
    log("drained")


if __name__ == "__main__":
    run(main)
