"""Run one task in each group and print where it ran. Runs on the cluster, as a Ray job.

    python group_task.py SECONDS GROUP…

Ray chooses a node by its label. Exits with 1 when a group's task has not run within SECONDS. For a
group without a node the autoscaler would launch one: the caller names none.
"""

import json
import sys
from typing import Any

import ray

LABEL = "ray.io/node-group"  # which Ray gives a node of that group (RAY_NODE_TYPE_NAME)


def here() -> dict[str, Any]:
    """Return the node that this runs on."""
    return {
        "node_id": ray.get_runtime_context().get_node_id(),
        "address": ray.util.get_node_ip_address(),
    }


def run_in(group: str) -> Any:
    """Start the task in a group; without a CPU, so that busy nodes run it too."""
    return ray.remote(num_cpus=0, label_selector={LABEL: group})(here).remote()


def main(seconds: float, groups: list[str]) -> int:
    """Run the tasks at once, and print one line for each."""
    ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
    tasks = {group: run_in(group) for group in groups}
    done, _ = ray.wait(list(tasks.values()), num_returns=len(tasks), timeout=seconds)
    missing = [group for group, task in tasks.items() if task not in done]
    for group in tasks.keys() - set(missing):
        print("here:", json.dumps({"group": group, **ray.get(tasks[group])}))
    if missing:
        print("not run in:", " ".join(missing))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
