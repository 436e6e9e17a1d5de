"""How long a cluster is without a head when the lease is handed over, as a client sees it.

    .venv/bin/python -m tests.bench.hand_over --runs 20

needs a cluster in the local cloud (`./run.sh demo`). A second head is brought up beside the first,
the lease goes to and fro between them, and a client submits a job every 200 ms all along. The
second head goes again at the end. Prints each run and the distribution; times are seconds since
the successor was named.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

from deploy.clients import Clients
from deploy.environment import Environment, load_environment
from deploy.hand_over import name_successor
from deploy.head_group import find_group
from deploy.head_group_changes import end_member
from deploy.job import ray_api
from deploy.ray_api import RayApi, Unreachable
from deploy.state import Lease, find_instances, find_lease
from localcloud import session
from tests.drills.kit.client import Client

SECONDS = 120.0
PHASES = ("released", "taken", "Ray answers", "workers back", "gap")


class Bench:
    """One cluster and the clients to look at it."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.clients = Clients(environment.region)
        self.api: RayApi = ray_api(self.clients, environment)

    def lease(self) -> Lease:
        """Return the head lease."""
        found = find_lease(self.clients, self.environment)
        assert found, "there is no cluster"
        return found

    def heads(self) -> list[str]:
        """Return the heads in service."""
        group = find_group(self.clients, self.environment.head_group, "")
        assert group, "there is no cluster"
        return [member.instance_id for member in group.serving]

    def workers(self) -> set[str]:
        """Return the addresses of the workers that run."""
        found = find_instances(self.clients, self.environment.name)
        return {i.address for i in found if i.role == "worker" and i.state == "running"}

    def resize(self, size: int) -> None:
        """Have so many heads, whatever the environment says."""
        self.clients("autoscaling").update_auto_scaling_group(
            AutoScalingGroupName=self.environment.head_group,
            DesiredCapacity=size,
            MaxSize=max(2, size),
        )

    def run(self, client: Client) -> dict[str, float]:
        """Hand the lease over once; return when each phase was reached."""
        before, workers = self.lease(), self.workers()
        (successor,) = set(self.heads()) - {before.holder}
        began = time.time()
        name_successor(self.clients, self.environment, before, successor)
        reached: dict[str, float] = {}

        def reach(phase: str, is_reached: Callable[[], bool]) -> None:
            deadline = began + SECONDS
            while not is_reached():
                assert time.time() < deadline, f"not within {SECONDS:.0f} s: {phase}"
                time.sleep(0.05)
            reached[phase] = time.time() - began

        reach("released", lambda: self.lease().released or self.lease().holder == successor)
        reach("taken", lambda: self.lease().holder == successor)
        address = self.lease().address
        reach("Ray answers", lambda: address in self.alive())
        reach("workers back", lambda: workers <= self.alive())
        time.sleep(2)
        reached["gap"] = client.gap(since=began)
        return reached

    def alive(self) -> set[str]:
        """Return the addresses of the nodes that are alive."""
        try:
            return {node.address for node in self.api.nodes() if node.is_alive}
        except Unreachable:
            return set()


def enter_vpc(name: str) -> Environment:
    """Return the environment, with this process inside its VPC, as tasks.py does."""
    environment = load_environment(name)
    if environment.provider == "localcloud" and not session.is_inside():
        session.enter()
    return environment


def quantile(values: list[float], share: float) -> float:
    """Return the value that so large a share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * len(ordered) + 0.5) - 1)]


def main() -> None:
    """Measure, and leave one head."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--env", default="local")
    parser.add_argument("--every", type=float, default=0.2, help="seconds between two jobs")
    options = parser.parse_args()
    bench = Bench(enter_vpc(options.env))
    bench.resize(2)
    while len(bench.heads()) < 2:
        time.sleep(1)
    time.sleep(15)
    found = []
    try:
        for number in range(options.runs):
            with Client(bench.api, options.every) as client:
                time.sleep(3)
                found.append(bench.run(client))
            words = ", ".join(f"{phase} {found[-1][phase]:.1f}" for phase in PHASES)
            print(f"run {number + 1}: {words}; load {os.getloadavg()[0]:.1f}", flush=True)
            time.sleep(10)
    finally:
        (surplus, *_) = [name for name in bench.heads() if name != bench.lease().holder]
        end_member(bench.clients, surplus, replaced=False)
    for phase in PHASES:
        values = [run[phase] for run in found]
        print(
            f"{phase:>12}: median {statistics.median(values):.1f}, "
            f"p95 {quantile(values, 0.95):.1f}, max {max(values):.1f} ({len(values)} runs)"
        )


if __name__ == "__main__":
    main()
