"""Measure how long a client has no head when the lease is handed over, and when the group replaces
a head without a hand-over.

    .venv/bin/python -m tests.bench.hand_over --runs 20 --replacements 5

needs a cluster in the local cloud (`./run.sh demo`). A second head is launched next to the first,
and the lease is handed over from one to the other and back, while a client submits a job every
200 ms. Then the second head is removed, and the remaining one is terminated, so that the group
replaces it. Prints each run and the distributions; times are seconds since the successor was named,
or since the termination.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

from common.clients import Clients
from common.environment import Environment, load_environment
from common.progress import Silent
from common.waiting import SystemClock
from deploy.cluster.head_group import find_group
from deploy.cluster.ray_access import ray_api
from deploy.cluster.state import Lease, find_lease
from deploy.rollout.hand_over import name_successor
from deploy.rollout.head_group_changes import terminate_member
from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery, label, phases
from drills.kit.record import quantile
from drills.kit.run import COOL_DOWN, WARM_UP, gap_of
from drills.kit.start import await_healthy
from localcloud import session

SECONDS = 300.0
PAUSE = 10.0

Measurement = Callable[[Callable[[], None], float], dict[str, float]]


class Bench:
    """One cluster, and the clients to change and observe it."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.clients = Clients(environment.region)

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

    def resize(self, size: int) -> None:
        """Set the number of heads, regardless of the environment."""
        self.clients("autoscaling").update_auto_scaling_group(
            AutoScalingGroupName=self.environment.head_group,
            DesiredCapacity=size,
            MaxSize=max(2, size),
        )

    def hand_over(self) -> None:
        """Name the standby as successor."""
        before = self.lease()
        (successor,) = set(self.heads()) - {before.holder}
        name_successor(self.clients, self.environment, before, successor)

    def replace(self) -> None:
        """Terminate the leader through its group, which replaces it."""
        terminate_member(self.clients, self.lease().holder, replaced=True)

    def lose(self) -> None:
        """Terminate the leader through EC2."""
        self.clients("ec2").terminate_instances(InstanceIds=[self.lease().holder])

    def cluster(self) -> ClusterUnderTest:
        """Return the cluster once it is healthy."""
        api = ray_api(self.clients, self.environment)
        return await_healthy(self.environment, self.clients, SystemClock(), api, Silent())

    def run(self, change: Callable[[], None], every: float) -> dict[str, float]:
        """Change heads once, observed by a client; return the seconds of each phase."""
        cluster = self.cluster()

        def reached() -> dict[str, float]:
            return phases(
                Recovery.HEAD,
                cluster.initial,
                cluster.fault_at or 0.0,
                cluster.observer.observations,
            )

        with cluster.observer.observing(every):
            time.sleep(WARM_UP)
            cluster.record_fault("the head is changed")
            change()
            cluster.wait(
                "the recovery", lambda: len(reached()) == len(Recovery.HEAD.value), SECONDS
            )
            time.sleep(COOL_DOWN)
        return {**reached(), "gap": gap_of(cluster)}


def arguments(description: str | None, **runs: int) -> argparse.Namespace:
    """Return the options of the command line: an environment, and a count for each of ``runs``."""
    parser = argparse.ArgumentParser(description=description)
    for name, count in runs.items():
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--env", default="local")
    parser.add_argument("--every", type=float, default=0.2, help="seconds between two jobs")
    return parser.parse_args()


def enter_vpc(name: str) -> Environment:
    """Return the environment, and move this process into its VPC, as commands/ does."""
    environment = load_environment(name)
    if environment.provider == "localcloud" and not session.is_inside():
        session.enter(inside=True)
    return environment


def measured(
    measure: Measurement,
    title: str,
    change: Callable[[], None],
    options: argparse.Namespace,
    runs: int,
) -> dict[str, float]:
    """Change heads ``runs`` times and print the figures; return the medians."""
    found = []
    for number in range(runs):
        found.append(measure(change, options.every))
        words = ", ".join(f"{label(phase)} {seconds:.1f}" for phase, seconds in found[-1].items())
        print(f"{title} {number + 1}: {words}; load {os.getloadavg()[0]:.1f}", flush=True)
        time.sleep(PAUSE)
    medians = {}
    for phase in found[0]:
        values = [one[phase] for one in found]
        medians[phase] = statistics.median(values)
        print(
            f"{title}, {label(phase)}: median {medians[phase]:.1f}, "
            f"p95 {quantile(values, 0.95):.1f}, max {max(values):.1f} ({len(values)} runs)"
        )
    return medians


def main() -> None:
    """Measure both, and leave one head."""
    options = arguments(__doc__, runs=20, replacements=5)
    bench = Bench(enter_vpc(options.env))
    bench.resize(2)
    while len(bench.heads()) < 2:
        time.sleep(1)
    time.sleep(PAUSE)
    try:
        handed = measured(bench.run, "hand-over", bench.hand_over, options, options.runs)
    finally:
        (surplus, *_) = [name for name in bench.heads() if name != bench.lease().holder]
        terminate_member(bench.clients, surplus, replaced=False)
    if not options.replacements:
        return
    time.sleep(PAUSE)
    replaced = measured(bench.run, "replacement", bench.replace, options, options.replacements)
    times = replaced["gap"] / handed["gap"]
    print(f"a replacement takes {times:.1f} times as long, by the median gap")


if __name__ == "__main__":
    main()
