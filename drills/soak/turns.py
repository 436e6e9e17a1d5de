"""Which drills a soak runs, in an order that its seed decides. No AWS."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random

from common.environment import Environment
from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery
from drills.kit.registry import Drill

# What a soak leaves out. They deploy other releases, and a soak looks at one that stays; or they
# are a series of their own.
NOT_SOAKED = {
    *("deployer_killed", "two_deployers", "head_lost_mid_rollout", "new_head_never_ready"),
    *("new_head_dies_after_hand_over", "workers_do_not_rejoin", "no_capacity", "spot_reclaimed"),
    *("clock_skewed", "ten_losses_in_a_row", "stored_state"),
}
# Run Command, by which a second fault is caused, does not reach the head meanwhile.
ALONE = {"ssm_down", "ssm_down_at_boot"}
# A worker's by what is lost, but caused at the head that leads at first, which may be gone by then.
NEVER_SECOND = {"head_cut_from_workers"}
PAIRS = 0.2  # of the head's drills, the share that a worker's comes on top of
APART = 10.0  # seconds, at most, between the faults of two


@dataclass(frozen=True)
class Turn:
    """A drill of the head or a worker; with ``second``, that one's fault comes ``apart`` later."""

    first: Drill
    second: Drill | None = None
    apart: float = 0.0

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.first.name}+{self.second.name}" if self.second else self.first.name

    @property
    def recovery(self) -> Recovery:
        """What the cluster must recover: the head's phases have the workers in them."""
        return self.first.recovery

    @property
    def within(self) -> float:
        """The seconds of both."""
        return self.first.within + (self.apart + self.second.within if self.second else 0.0)

    def run(self, cluster: ClusterUnderTest) -> None:
        """Inject the fault, or both; raises what either raises."""
        with ThreadPoolExecutor(1) as pool:
            later = pool.submit(self._run_second, cluster)
            self.first.run(cluster)
            later.result()

    def _run_second(self, cluster: ClusterUnderTest) -> None:
        if self.second:
            cluster.clock.sleep(self.apart)
            self.second.run(cluster)


def soaked(drills: Sequence[Drill], environment: Environment) -> tuple[Drill, ...]:
    """Return the drills that a soak of this environment can draw."""
    local = environment.provider == "localcloud"
    able = (drill for drill in drills if drill.name not in NOT_SOAKED)
    return tuple(drill for drill in able if local or not drill.local_only)


def turns(drills: Sequence[Drill], seed: int) -> Iterator[Turn]:
    """Yield turns without end: each drill once before any comes again, now and then with another.

    The same seed and drills yield the same turns.
    """
    random = Random(seed)  # noqa: S311 - to be repeated, not to be secret
    workers = [
        drill
        for drill in drills
        if drill.recovery is Recovery.WORKERS and drill.name not in NEVER_SECOND
    ]
    while True:
        for drill in random.sample(drills, len(drills)):
            pairs = drill.recovery is Recovery.HEAD and random.random() < PAIRS
            if pairs and workers and drill.name not in ALONE:
                yield Turn(drill, random.choice(workers), random.uniform(0.0, APART))
            else:
                yield Turn(drill)
