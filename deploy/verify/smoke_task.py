"""Run one task on every node and print which nodes took part. Runs on the cluster, as a Ray job.

    python smoke_task.py SECONDS ADDRESS…

Waits up to SECONDS for the nodes with these addresses; exits with 1 when one is missing.
"""

import json
import os
import socket
import sys
import time
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy


def here() -> dict[str, Any]:
    """Return the node that this runs on."""
    return {
        "node_id": ray.get_runtime_context().get_node_id(),
        "address": ray.util.get_node_ip_address(),
        "hostname": socket.gethostname(),
        "pid": os.getpid(),
    }


def nodes() -> dict[str, str]:
    """Return the ids of the live nodes, by address."""
    return {n["NodeManagerAddress"]: n["NodeID"] for n in ray.nodes() if n["Alive"]}


def run_on(node: str) -> Any:
    """Start the task on one node; without a CPU, since the head offers none."""
    strategy = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=strategy)(here).remote()


def wait_for_nodes(expected: set[str], seconds: float) -> dict[str, str]:
    """Return the live nodes once all expected ones are among them, or the time is up."""
    deadline = time.monotonic() + seconds
    while expected - set(found := nodes()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def main(seconds: float, expected: set[str]) -> int:
    """Run the task on all nodes at once, and print one line for each."""
    ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
    found = wait_for_nodes(expected, seconds)
    for answer in ray.get([run_on(node) for node in found.values()], timeout=seconds):
        print("here:", json.dumps(answer))
    missing = sorted(expected - set(found))
    if missing:
        print("missing:", " ".join(missing))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), set(sys.argv[2:])))
