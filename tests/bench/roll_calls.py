"""Count the AWS calls of a rollout, and measure its time, with ever more workers: simulated.

    .venv/bin/python -m tests.bench.roll_calls --workers 2 200 1000
    .venv/bin/python -m tests.bench.roll_calls --workers 300 --groups 1 3

Rolls out a new head image to a cluster of each size, then a new worker image to the same cluster.
Its workers are in one group, or in several of one size.
"""

import argparse
import time
from itertools import product
from typing import Any

import pytest

from tests.simulation.cloud import Cloud, simulated_cloud
from tests.simulation.settings import Settings
from tests.unit.deploy.builders import an_environment
from tests.unit.simulation.conftest import Cluster, see_from_inside

LIMITS: dict[str, Any] = {
    "limits": {"health_check_interval_seconds": 5, "workers_ready_seconds": 3600},
    "rollout": {"watch_seconds": 10, "drain_seconds": 60},
}


def roll_out(cloud: Cloud, cluster: Cluster, role: str) -> str:
    """Roll out another image of a role; return the calls and the time, in words."""
    cloud.bake(role)
    calls, began, cpu = cloud.clients.calls, cloud.clock.now(), time.process_time()
    cluster.deploy()
    return (
        f"{role}: {cloud.clients.calls - calls} AWS calls, {cloud.clock.now() - began:.0f} s, "
        f"{time.process_time() - cpu:.0f} s of CPU here"
    )


def sized(workers: int, groups: int) -> dict[str, dict[str, Any]]:
    """Return so many workers, in so many groups of one size."""
    size = workers // groups
    kind = {"instance_types": ["m6i.large"], "min": size, "max": size}
    return {f"group-{number}": kind for number in range(groups)}


def main() -> None:
    """Measure each size in a new simulated cloud."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 200, 1000])
    parser.add_argument("--groups", type=int, nargs="+", default=[1])
    parser.add_argument("--roles", nargs="+", default=["head", "worker"])
    options = parser.parse_args()
    for workers, groups in product(options.workers, options.groups):
        settings = Settings(launches_at_once=100)
        with pytest.MonkeyPatch.context() as patches, simulated_cloud(settings) as cloud:
            see_from_inside(cloud, patches)
            cloud.bake("head")
            cloud.bake("worker")
            environment = an_environment(workers=sized(workers, groups), **LIMITS)
            cluster = Cluster(cloud, environment)
            cluster.deploy()
            for role in options.roles:
                words = f"{workers} workers in {groups} groups"
                print(f"{words}; {roll_out(cloud, cluster, role)}", flush=True)


if __name__ == "__main__":
    main()
