"""How long a cluster is without a head when the lease is handed over, as a client sees it, and how
long when a head is replaced the usual way.

    .venv/bin/python -m tests.bench.hand_over --runs 20 --usual 5

needs a cluster in the local cloud (`./run.sh demo`). A second head is brought up beside the first,
the lease goes to and fro between them, and a client submits a job every 200 ms all along. Then the
second head goes, and the only one is terminated, so that the group replaces it. Prints each run
and the distributions; times are seconds since the successor was named, or the head was ended.
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
from deploy.cluster.ray_api import ray_api
from deploy.cluster.state import Lease, find_lease
from deploy.rollout.hand_over import name_successor
from deploy.rollout.head_group_changes import terminate_member
from drills.kit.phases import Recovery, phases
from drills.kit.place import set_scene
from drills.kit.record import quantile
from drills.kit.run import AFTERWARDS, WARM_UP, gap_of
from drills.kit.scene import Scene
from localcloud import session

SECONDS = 300.0
PAUSE = 10.0

Run = Callable[[Callable[[], None], float], dict[str, float]]


class Bench:
    """One cluster and the clients to look at it."""

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
        """Have so many heads, whatever the environment says."""
        self.clients("autoscaling").update_auto_scaling_group(
            AutoScalingGroupName=self.environment.head_group,
            DesiredCapacity=size,
            MaxSize=max(2, size),
        )

    def hand_over(self) -> None:
        """Name the head that stands by as successor."""
        before = self.lease()
        (successor,) = set(self.heads()) - {before.holder}
        name_successor(self.clients, self.environment, before, successor)

    def replace(self) -> None:
        """End the head, and leave the rest to the group."""
        terminate_member(self.clients, self.lease().holder, replaced=True)

    def lose(self) -> None:
        """Have EC2 terminate the head that leads."""
        self.clients("ec2").terminate_instances(InstanceIds=[self.lease().holder])

    def scene(self) -> Scene:
        """Return the cluster as it is now, when it is well."""
        api = ray_api(self.clients, self.environment)
        return set_scene(self.environment, self.clients, SystemClock(), api, Silent())

    def run(self, change: Callable[[], None], every: float) -> dict[str, float]:
        """Change heads once under a client's eyes; return when each phase was reached."""
        scene = self.scene()

        def reached() -> dict[str, float]:
            return phases(Recovery.HEAD, scene.before, scene.began or 0.0, scene.witness.seen)

        with scene.witness.watching(every):
            time.sleep(WARM_UP)
            scene.breaks("another head is to lead")
            change()
            scene.wait(
                "the cluster back", lambda: len(reached()) == len(Recovery.HEAD.value), SECONDS
            )
            time.sleep(AFTERWARDS)
        return {**reached(), "gap": gap_of(scene)}


def arguments(description: str | None, **runs: int) -> argparse.Namespace:
    """Return what the command line says: an environment, and how often each thing is done."""
    parser = argparse.ArgumentParser(description=description)
    for name, count in runs.items():
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--env", default="local")
    parser.add_argument("--every", type=float, default=0.2, help="seconds between two jobs")
    return parser.parse_args()


def enter_vpc(name: str) -> Environment:
    """Return the environment, with this process inside its VPC, as commands/ does."""
    environment = load_environment(name)
    if environment.provider == "localcloud" and not session.is_inside():
        session.enter()
    return environment


def measured(
    run: Run, title: str, change: Callable[[], None], options: argparse.Namespace, runs: int
) -> dict[str, float]:
    """Change heads so many times and print what was seen; return the medians."""
    found = []
    for number in range(runs):
        found.append(run(change, options.every))
        words = ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in found[-1].items())
        print(f"{title} {number + 1}: {words}; load {os.getloadavg()[0]:.1f}", flush=True)
        time.sleep(PAUSE)
    medians = {}
    for phase in found[0]:
        values = [one[phase] for one in found]
        medians[phase] = statistics.median(values)
        print(
            f"{title}, {phase}: median {medians[phase]:.1f}, "
            f"p95 {quantile(values, 0.95):.1f}, max {max(values):.1f} ({len(values)} runs)"
        )
    return medians


def main() -> None:
    """Measure, and leave one head."""
    options = arguments(__doc__, runs=20, usual=5)
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
    if not options.usual:
        return
    time.sleep(PAUSE)
    replaced = measured(bench.run, "usual way", bench.replace, options, options.usual)
    times = replaced["gap"] / handed["gap"]
    print(f"the usual way takes {times:.1f} times as long, by the median gap")


if __name__ == "__main__":
    main()
