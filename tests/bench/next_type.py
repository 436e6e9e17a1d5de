"""Measure how long a task that wants a GPU waits for its worker: while EC2 has the group's first
instance type, and while it has none and the next type is launched.

    .venv/bin/python -m tests.bench.next_type --env ENV --runs 5 --short 3

needs a cluster in the local cloud whose one group has GPUs, ``min = 0`` and two instance types.
Prints each run, the medians and their ratio; times are seconds since the task was asked for, until
its worker's instance exists in EC2, and until it begins. A type that was refused is tried last for
three minutes, so that runs without the first type are that far apart.
"""

import os
import re
import shlex
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

from common.clients import Clients
from common.environment import Environment
from common.waiting import Seen, SystemClock, wait_for
from deploy.cluster.instances import Instance, find_instances
from deploy.cluster.ray_access import ray_api
from localcloud.paths import paths
from tests.bench.hand_over import arguments, enter_vpc

SECONDS = 300.0
EVERY = 0.25
REFUSED_SECONDS = 185.0  # until a refused type is tried first again
# Prints when the task was asked for and when it began, in seconds since the epoch.
TASK = """
import time
import ray

@ray.remote(num_cpus=0, num_gpus=1)
def begin():
    return time.time()

ray.init(log_to_driver=False)
print("asked", time.time(), flush=True)
print("began", ray.get(begin.remote()))
"""
TOLD = re.compile(r"^(asked|began) ([\d.]+)$", re.MULTILINE)
LAUNCHED, BEGAN = "launched", "began"


class Bench:
    """A cluster without a worker, and the task that wants one."""

    def __init__(self, environment: Environment) -> None:
        self._environment, self._clients = environment, Clients(environment.region)
        self._api = ray_api(self._clients, environment)
        (group,) = environment.workers.values()
        self.first, self.next, *_ = group.instance_types

    def run(self, expected: str) -> dict[str, float]:
        """Ask for a GPU once; return the seconds. The worker must be of the type ``expected``."""
        self._await("no worker", lambda: not self._workers())
        name = f"bench-{uuid4().hex[:12]}"
        self._api.submit(shlex.join(["/opt/ray/bin/python", "-c", TASK]), name)
        self._await("a worker", lambda: bool(self._workers()))
        launched = time.time()
        self._await("the task", lambda: self._api.job(name).is_finished)
        (worker,) = self._workers()
        assert worker.type == expected, f"{worker.type} was launched"
        times = {key: float(value) for key, value in TOLD.findall(self._api.logs(name))}
        self._clients("ec2").terminate_instances(InstanceIds=[worker.id])
        return {LAUNCHED: launched - times["asked"], BEGAN: times["began"] - times["asked"]}

    def _workers(self) -> list[Instance]:
        found = find_instances(self._clients, self._environment.name)
        return [i for i in found if i.role == "worker" and i.state in ("pending", "running")]

    def _await(self, what: str, is_so: Callable[[], bool]) -> None:
        wait_for(
            what,
            lambda: Seen(True if is_so() else None, "not yet"),
            clock=SystemClock(),
            seconds=SECONDS,
            every=EVERY,
        )


@contextmanager
def short_of(instance_type: str) -> Iterator[None]:
    """Let EC2 have none of this type in any zone."""
    paths().shortages.write_text(f"{instance_type} *\n")
    try:
        yield
    finally:
        paths().shortages.unlink()


def show(title: str, runs: list[dict[str, float]]) -> dict[str, float]:
    """Print the medians, and return them."""
    medians = {phase: statistics.median(one[phase] for one in runs) for phase in runs[0]}
    for phase, seconds in medians.items():
        values = [one[phase] for one in runs]
        spread = f"{min(values):.1f} to {max(values):.1f}"
        print(f"{title}, {phase}: median {seconds:.1f}, {spread} ({len(values)} runs)")
    return medians


def measured(bench: Bench, expected: str, pause: float = 0.0) -> dict[str, float]:
    """Ask once and print the figures."""
    time.sleep(pause)
    found = bench.run(expected)
    words = ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in found.items())
    print(f"{expected}: {words}; load {os.getloadavg()[0]:.1f}", flush=True)
    return found


def main() -> None:
    """Measure both."""
    options = arguments(__doc__, runs=5, short=3)
    bench = Bench(enter_vpc(options.env))
    there = show("the first type", [measured(bench, bench.first) for _ in range(options.runs)])
    with short_of(bench.first):
        missing = [
            measured(bench, bench.next, pause=REFUSED_SECONDS if number else 0.0)
            for number in range(options.short)
        ]
    gone = show("the next type", missing)
    more = ", ".join(f"{phase} {gone[phase] / there[phase]:.2f} times as late" for phase in gone)
    print(f"where the first type has no capacity: {more}")


if __name__ == "__main__":
    main()
