"""It must not matter where a deployer dies, nor what people do about it.

They rarely run the same command again: they correct the cause and deploy a third release, go back,
destroy the cluster, or want a standby or stored state meanwhile. As in test_faults.py each fault
happens in a copy of the process; then comes something else, and the cluster must be as if the first
command had never gone wrong. See test_another_intent.py for single cases of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.environment import Environment
from deploy.release.release import Release
from deploy.rollout.lock import find_lock
from tests.marks import THOROUGH_ONLY
from tests.unit.deploy.builders import an_environment
from tests.unit.simulation.conftest import STANDBY, Deployed, sized
from tests.unit.simulation.test_faults import (
    FLOOR,
    QUICK,
    SETTLES,
    WORKERS,
    Bake,
    Sample,
    Watched,
    another_ray,
    both_new,
    new_head,
    new_workers,
    try_all,
)
from tests.unit.simulation.test_group_faults import BOTH
from tests.unit.simulation.trials import Sequel, Story
from tests.unit.simulation.watch import Watch

pytestmark = pytest.mark.thorough
REDIS = "cache.t4g.small"


@dataclass
class TwoDeploys(Watch):
    """Of a deploy and what follows it: another deploy, or the end of the cluster.

    While one of ``before`` leads, others may make room for a third. Once the cluster is to be
    destroyed, its heads end without a successor; so may those of a first deploy that was never
    completed (it never ``serves``), when another release is deployed instead.
    """

    before: frozenset[str] = frozenset()  # the heads that there were when the second began
    destroys: bool = False

    def _head_ends(self, instance_id: str) -> None:
        """See Watch."""
        if self.destroys or not self.serves:
            return
        lease = self._lease()
        if lease is None or lease.holder == instance_id or lease.holder not in self.before:
            super()._head_ends(instance_id)

    def _look(self) -> None:
        """See Watch."""
        if not self.destroys:
            super()._look()


def settled(cluster: Watched, release: Release | None = None) -> dict[str, object]:
    """Return how a cluster is that serves a release, or what its file wants, and nothing else."""
    cluster.cloud.clock.sleep(SETTLES)
    plan, state = cluster.prepare(release=release).rollout.plan, cluster.state()
    assert state.group is not None
    assert state.lease is not None
    return {
        "the plan is empty": plan.is_empty,
        "what fails": cluster.failed_checks(),
        "the problems": list(cluster.status().problems),
        "the heads": [(m.state, m.healthy) for m in state.group.members],
        "the roles": sorted(i.role for i in state.instances),
        "the contents": len({(i.role, i.content) for i in state.instances}),
        "the successor": state.lease.successor,
        "a lock that is held": held(cluster),
    }


def held(cluster: Watched) -> bool:
    """Say whether a deployer renews the lock; that of a deployer that was killed lapses."""
    clients, clock = cluster.cloud.clients, cluster.cloud.clock
    lock = find_lock(clients, cluster.environment)
    clock.sleep(6)
    return lock is not None and find_lock(clients, cluster.environment) != lock


def serves(heads: int, workers: int = WORKERS) -> dict[str, object]:
    """Return what ``settled`` does of a whole cluster with so many heads and workers."""
    return {
        "the plan is empty": True,
        "what fails": [],
        "the problems": [],
        "the heads": [("InService", True)] * heads,
        "the roles": ["head"] * heads + ["worker"] * workers,
        "the contents": 2,
        "the successor": "",
        "a lock that is held": False,
    }


def gone(cluster: Watched) -> dict[str, object]:
    """Return what is left of a cluster that was destroyed."""
    cluster.cloud.clock.sleep(SETTLES)
    state = cluster.state()
    return {
        "heads": cluster.head_ids,
        "workers": sorted(cluster.worker_ids),
        "the group": state.group is not None,
        "the templates": [t for t in (state.head_template, *state.worker_templates) if t],
        "the instances": len(state.instances),
    }


NOTHING: dict[str, object] = {
    "heads": [],
    "workers": [],
    "the group": False,
    "the templates": [],
    "the instances": 0,
}


@pytest.fixture
def serving(deployed: Deployed) -> Watched:
    """The cluster with one head and two workers, which is rolled quickly."""
    return Watched(deployed.cloud, sized(WORKERS, **QUICK), deployed.doubled)


def with_head(environment: Environment, **changes: object) -> Environment:
    """Return the environment with a head that is changed so."""
    head = environment.head.model_copy(update=changes)
    return environment.model_copy(update={"head": head})


@dataclass
class Intents:
    """What people do once a command went wrong; before, the cluster served ``first``.

    ``standby`` is how many standbys it has.
    """

    cluster: Watched
    watch: TwoDeploys
    first: Release
    standby: int = 0

    def sequels(self) -> dict[str, Sequel]:
        """Return them all."""
        other = 1 - self.standby
        return {
            "a third release": self.deploys(self.a_third_release),
            "back to the first": self.deploys(self.back_to_the_first, release=self.first),
            "a standby" if other else "no standby": self.deploys(self.another_standby, other),
            "stored state": self.deploys(self.stored_state),
            "destroy": self.destroys(),
        }

    def destroys(self) -> Sequel:
        """Return the end of the cluster."""
        return Sequel(self.destroy, lambda: gone(self.cluster), NOTHING)

    def deploys(
        self, act: Callable[[], None], standby: int | None = None, release: Release | None = None
    ) -> Sequel:
        """Return a deploy, after which heads serve the release, or what the file wants."""
        heads = 1 + (self.standby if standby is None else standby)

        def deploy() -> None:
            self.watch.before = frozenset(self.cluster.head_ids)
            act()

        return Sequel(deploy, lambda: settled(self.cluster, release), serves(heads))

    def a_third_release(self) -> None:
        """Deploy images that were baked after the deploy went wrong."""
        both_new(self.cluster)
        self.cluster.deploy()

    def back_to_the_first(self) -> None:
        """Serve what was served before all of it."""
        self.cluster.deploy(self.first, "rollback")

    def another_standby(self) -> None:
        """Want a standby meanwhile, or none."""
        environment = with_head(self.cluster.environment, standby=1 - self.standby)
        self.cluster.environment = environment
        self.cluster.deploy()

    def stored_state(self) -> None:
        """Want stored state meanwhile, which is a replacement of all."""
        self.watch.floor = 0
        changes = {"state": "redis", "redis_node_type": REDIS}
        self.cluster.environment = with_head(self.cluster.environment, **changes)
        self.cluster.deploy()

    def destroy(self) -> None:
        """Destroy the cluster."""
        self.watch.destroys = True
        self.cluster.destroy()


@pytest.mark.parametrize(
    ("bake", "sample"),
    [
        (both_new, Sample(UpdateAutoScalingGroup="killed after")),
        pytest.param(new_head, Sample(UpdateAutoScalingGroup="killed"), marks=THOROUGH_ONLY),
        pytest.param(new_workers, Sample(SendCommand="killed after"), marks=THOROUGH_ONLY),
        pytest.param(another_ray, Sample(UpdateItem="killed after"), marks=THOROUGH_ONLY),
    ],
)
def test_something_else_follows_every_fault(
    serving: Watched, results: Path, bake: Bake, sample: Sample
) -> None:
    first = serving.prepare().rollout.desired.release
    bake(serving)
    floor = 0 if bake is another_ray else FLOOR
    watch = serving.watch = TwoDeploys(serving, floor, serves=True)

    story = Story(serving.deploy, Intents(serving, watch, first).sequels(), another=True)
    try_all(serving, story, sample, results)


@THOROUGH_ONLY
def test_something_else_follows_every_fault_of_a_rollback(serving: Watched, results: Path) -> None:
    first = serving.prepare().rollout.desired.release
    both_new(serving)
    serving.deploy()
    watch = serving.watch = TwoDeploys(serving, FLOOR, serves=True)

    story = Story(serving.rollback, Intents(serving, watch, first).sequels(), another=True)
    try_all(serving, story, Sample(TerminateInstances="killed after"), results)


@THOROUGH_ONLY
def test_something_else_follows_every_fault_with_a_standby(
    deployed: Deployed, results: Path
) -> None:
    settings = sized(WORKERS, name="doubled", head=STANDBY, **QUICK)
    doubled = Watched(deployed.cloud, settings, deployed.single)
    first = doubled.prepare().rollout.desired.release
    both_new(doubled)
    watch = doubled.watch = TwoDeploys(doubled, FLOOR, serves=True)

    sequels = Intents(doubled, watch, first, standby=1).sequels()
    story = Story(doubled.deploy, sequels, another=True)
    try_all(doubled, story, Sample(UpdateItem="killed"), results)


@THOROUGH_ONLY
def test_a_group_that_was_being_added_is_not_wanted_or_the_cluster_not_after_every_fault(
    serving: Watched, results: Path
) -> None:
    before, first = serving.environment, serving.prepare().rollout.desired.release
    serving.environment = an_environment(workers=BOTH, **QUICK)  # a second group, of one worker
    watch = serving.watch = TwoDeploys(serving, FLOOR, serves=True)
    intents = Intents(serving, watch, first)

    def without() -> None:
        serving.environment = before
        serving.deploy()

    sequels = {"without it": intents.deploys(without), "destroy": intents.destroys()}
    story = Story(serving.deploy, sequels, another=True)
    try_all(serving, story, Sample(CreateLaunchTemplate="killed after"), results)


@THOROUGH_ONLY
def test_a_first_deploy_is_followed_by_something_else_after_every_fault(
    deployed: Deployed, results: Path
) -> None:
    cluster = Watched(deployed.cloud, sized(1, name="fresh", **QUICK), deployed.doubled)
    cluster.watch = TwoDeploys(cluster, floor=0, serves=False)

    def third() -> None:
        both_new(cluster)
        cluster.deploy()

    sequels = {
        "a third release": Sequel(third, lambda: settled(cluster), serves(1, workers=1)),
        "destroy": Sequel(cluster.destroy, lambda: gone(cluster), NOTHING),
    }
    story = Story(cluster.deploy, sequels, another=True)
    try_all(cluster, story, Sample(CreateAutoScalingGroup="timed out"), results)
