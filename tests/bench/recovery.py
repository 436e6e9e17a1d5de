"""Measure how long a cluster has no head when the head's instance is lost: with Raykiln, and with
the baseline on the same instances.

    .venv/bin/python -m tests.bench.recovery --runs 30 --baseline 10

needs a cluster in the local cloud (`./run.sh demo`), with or without standby and stored state, as
its environment says. Prints each run and the distributions; times are seconds since the loss.
"""

import time
from collections.abc import Callable

from common.clients import Clients
from common.environment import Environment
from common.waiting import Seen, SystemClock, wait_for
from deploy.cluster.ray_access import ray_api
from drills.kit.client import longest_gap
from drills.kit.observer import NODES_EVERY, Observer
from drills.kit.phases import JOB_ACCEPTED, NO_HEAD, RAY_ANSWERS, WORKERS_BACK, NodesReading, label
from drills.kit.run import COOL_DOWN, WARM_UP
from tests.bench.baseline import Baseline
from tests.bench.hand_over import Bench, arguments, enter_vpc, measured

SECONDS = 600.0
SETTLE = 120.0  # for a lost worker's connections to time out, and a new target to be checked


class BaselineBench:
    """The baseline cluster, observed by a client."""

    def __init__(self, environment: Environment, clients: Clients, workers: int) -> None:
        self._environment, self._clients, self._workers = environment, clients, workers

    def run(self, change: Callable[[], None], every: float) -> dict[str, float]:
        """Change heads once; return the seconds of each phase."""
        api = ray_api(self._clients, self._environment)
        observer = Observer(self._clients, self._environment, api)
        with observer.observing(every):
            before = self._await_complete(observer, time.time(), NO_HEAD, SETTLE)
            time.sleep(WARM_UP)
            began = time.time()
            change()
            self._await_complete(observer, began, before.heads, SECONDS)
            time.sleep(COOL_DOWN)
        readings = sorted(observer.observations.nodes, key=lambda reading: reading.at)
        later = [one for one in readings if one.at > began]
        answers = [one.at for one in later if one.has_head(before.heads)]
        back = [one.at for one in later if one.is_complete(self._workers, before.heads)]
        jobs = [
            s.ended
            for s in observer.observations.attempts
            if s.accepted and s.ended > answers[0] - NODES_EVERY
        ]
        return {
            RAY_ANSWERS: answers[0] - began,
            WORKERS_BACK: back[0] - began,
            JOB_ACCEPTED: min(jobs) - began,
            "gap": longest_gap(observer.observations.attempts, began),
        }

    def _await_complete(
        self, observer: Observer, since: float, excluded: frozenset[str], seconds: float
    ) -> NodesReading:
        """Wait until a head that is not excluded has all workers, and then a job is accepted."""

        def look() -> Seen[NodesReading]:
            later = [one for one in list(observer.observations.nodes) if one.at > since]
            found = [one for one in later if one.is_complete(self._workers, excluded)]
            accepted = [s for s in list(observer.observations.attempts) if s.accepted]
            done = found and any(s.began > found[0].at for s in accepted)
            last = observer.observations.nodes[-1:]
            return Seen(found[-1] if done else None, f"{last}")

        return wait_for("a complete baseline cluster", look, clock=SystemClock(), seconds=seconds)


def main() -> None:
    """Measure both, and restore the cluster."""
    options = arguments(__doc__, runs=30, baseline=10)
    environment = enter_vpc(options.env)
    bench = Bench(environment)
    workers = len(bench.cluster().workers)
    lost = measured(bench.run, "Raykiln", bench.lose, options, options.runs)
    if not options.baseline:
        return
    baseline = Baseline(environment, bench.clients)
    with baseline.deployed(workers):
        other = BaselineBench(environment, bench.clients, workers)
        compared = measured(other.run, "baseline", baseline.lose_head, options, options.baseline)
    for phase, seconds in lost.items():
        if phase in compared:
            print(
                f"{label(phase)}: the baseline takes {compared[phase] / seconds:.1f} times as long"
            )


if __name__ == "__main__":
    main()
