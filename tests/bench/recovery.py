"""How long a cluster is without its head when the head's instance is lost: Raykiln's way, and the
ordinary way on the same instances.

    .venv/bin/python -m tests.bench.recovery --runs 30 --ordinary 10

needs a cluster in the local cloud (`./run.sh demo`), with or without standby and stored state, as
its environment says. Prints each run and the distributions; times are seconds since the loss.
"""

import time
from collections.abc import Callable

from common.clients import Clients
from common.environment import Environment
from common.waiting import Seen, SystemClock, wait_for
from deploy.cluster.ray_api import ray_api
from drills.kit.client import longest_gap
from drills.kit.phases import ANSWERS, BACK, JOB, NOBODY, NodesLook
from drills.kit.run import AFTERWARDS, WARM_UP
from drills.kit.witness import NODES_EVERY, Witness
from tests.bench.hand_over import Bench, arguments, enter_vpc, measured
from tests.bench.ordinary import Ordinary

SECONDS = 600.0
SETTLE = 120.0  # a lost worker's last connections time out, and a new target is checked


class OrdinaryBench:
    """The ordinary cluster under a client's eyes."""

    def __init__(self, environment: Environment, clients: Clients, workers: int) -> None:
        self._environment, self._clients, self._workers = environment, clients, workers

    def run(self, change: Callable[[], None], every: float) -> dict[str, float]:
        """Change heads once; return when each phase was reached."""
        api = ray_api(self._clients, self._environment)
        witness = Witness(self._clients, self._environment, api)
        with witness.watching(every):
            before = self._whole(witness, time.time(), NOBODY, SETTLE)
            time.sleep(WARM_UP)
            began = time.time()
            change()
            self._whole(witness, began, before.heads, SECONDS)
            time.sleep(AFTERWARDS)
        looks = sorted(witness.seen.nodes, key=lambda look: look.at)
        later = [look for look in looks if look.at > began]
        answers = [look.at for look in later if look.has_head(before.heads)]
        back = [look.at for look in later if look.is_whole(self._workers, before.heads)]
        jobs = [
            s.ended for s in witness.seen.samples if s.taken and s.ended > answers[0] - NODES_EVERY
        ]
        return {
            ANSWERS: answers[0] - began,
            BACK: back[0] - began,
            JOB: min(jobs) - began,
            "gap": longest_gap(witness.seen.samples, began),
        }

    def _whole(
        self, witness: Witness, since: float, but: frozenset[str], seconds: float
    ) -> NodesLook:
        """Wait until a head other than those has all workers, and a job is taken after that."""

        def look() -> Seen[NodesLook]:
            later = [look for look in list(witness.seen.nodes) if look.at > since]
            found = [look for look in later if look.is_whole(self._workers, but)]
            taken = [s for s in list(witness.seen.samples) if s.taken]
            done = found and any(s.began > found[0].at for s in taken)
            last = witness.seen.nodes[-1:]
            return Seen(found[-1] if done else None, f"{last}")

        return wait_for("the ordinary cluster whole", look, clock=SystemClock(), seconds=seconds)


def main() -> None:
    """Measure both, and leave the cluster as it was."""
    options = arguments(__doc__, runs=30, ordinary=10)
    environment = enter_vpc(options.env)
    bench = Bench(environment)
    workers = len(bench.scene().workers)
    lost = measured(bench.run, "Raykiln", bench.lose, options, options.runs)
    if not options.ordinary:
        return
    ordinary = Ordinary(environment, bench.clients)
    with ordinary.in_place(workers):
        other = OrdinaryBench(environment, bench.clients, workers)
        usual = measured(other.run, "ordinary", ordinary.lose_head, options, options.ordinary)
    for phase, seconds in lost.items():
        if phase in usual:
            print(f"{phase}: the ordinary way takes {usual[phase] / seconds:.1f} times as long")


if __name__ == "__main__":
    main()
