"""It must not matter where a deployer dies, nor which of its calls to AWS goes wrong.

Each kind of rollout runs once; at the calls that are chosen, a copy of the whole process has a
fault, is watched while it comes to terms with it, and gets the same command again. It must end in
what the run without a fault ends in. ``RAYKILN_THOROUGH=1`` has every fault at every call, but for
what is the same as a case before it (``same_cases``), and ``RAYKILN_THOROUGH=all`` has that too;
else it is a sample that is always the same. Thorough takes hours and may be ended at any time: its
results stay in ``.raykiln/faults``, under what the code says, and the next run goes on from there.
``RAYKILN_PART=3/8`` beside it has the third of eight parts of every plan's faults, of about a size.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from deploy.release.config_bucket import current_release
from deploy.release.release import Release
from deploy.rollout.lock import find_lock
from deploy.rollout.operation import Operation
from tests.marks import THOROUGH_ONLY
from tests.unit.simulation.calls import Call
from tests.unit.simulation.conftest import THOROUGH, Cluster, Deployed, sized
from tests.unit.simulation.faulty_calls import FAULTS
from tests.unit.simulation.trials import Story, Trials, again
from tests.unit.simulation.watch import Watch

pytestmark = pytest.mark.thorough
WORKERS = 2
FLOOR = WORKERS - 1  # rollout.max_unavailable
QUICK = {
    "rollout": {"watch_seconds": 10, "drain_seconds": 20},
    "limits": {
        "health_check_interval_seconds": 5,
        "workers_ready_seconds": 180,  # an alarm that has rung needs two minutes to be quiet
        "hand_over_seconds": 60,
    },
}
SETTLES = 30.0  # seconds, until what was ended has gone


@dataclass
class Watched(Cluster):
    """A cluster whose rollouts are followed by ``watch``, and another one beside it."""

    neighbour: Cluster
    watch: Watch | None = None

    def operation(self, kind: str = "deploy") -> Operation:
        """Return what carries a prepared rollout out."""
        operation = super().operation(kind)
        if self.watch:
            operation.progress = self.watch
        return operation


def ending(
    cluster: Cluster, release: Release | None = None, *, named: bool = True
) -> dict[str, object]:
    """Return everything that must be as after a run without a fault; see ``anonymous``."""
    clients, clock = cluster.cloud.clients, cluster.cloud.clock
    clock.sleep(SETTLES)
    state = cluster.state()
    group, lease = state.group, state.lease
    assert group is not None
    assert lease is not None
    templates = [t for t in (state.head_template, *state.worker_templates) if t]
    lock = find_lock(clients, cluster.environment)
    clock.sleep(6)
    found = {
        "the plan": cluster.prepare(release=release).rollout.plan.words,
        "what fails": cluster.failed_checks(),
        "the versions": [[v.content.digest for v in t.versions] for t in templates],
        "the defaults": [t.default for t in templates],
        "the release": state.release.id if state.release else "",
        "the documents": sorted(key for key in state.keys if "/rollouts/" not in key),
        "the group": json.loads(json.dumps(asdict(group.settings))),
        "the heads": [(m.state, m.template_version, m.healthy) for m in group.members],
        "the instances": sorted(
            (i.role, i.state, i.content, i.autoscaler) for i in state.instances
        ),
        "the successor": lease.successor,
        "the autoscaler": lease.autoscaler,
        # That of a deployer that was killed at its very end is left to lapse.
        "a lock that is held": lock is not None and find_lock(clients, cluster.environment) != lock,
    }
    return found if named else anonymous(found)


def anonymous(found: dict[str, object]) -> dict[str, object]:
    """Number what AWS, or a digest of that, gives a random name: the same one, the same number."""
    numbers: dict[str, int] = {}

    def number(name: re.Match[str]) -> str:
        return f"#{numbers.setdefault(name[0], len(numbers))}"

    pattern = r"(lt|subnet)-[0-9a-f]+|[-\w]{12}/[0-9a-f]{16}|[0-9a-f]{16}"
    changed: dict[str, object] = json.loads(re.sub(pattern, number, json.dumps(found)))
    return changed


Bake = Callable[[Cluster], None]


def new_head(cluster: Cluster) -> None:
    cluster.cloud.bake("head")


def new_workers(cluster: Cluster) -> None:
    cluster.cloud.bake("worker")


def both_new(cluster: Cluster) -> None:
    new_head(cluster)
    new_workers(cluster)


def another_ray(cluster: Cluster) -> None:
    for role in ("head", "worker"):
        cluster.cloud.bake(role, ray_version="2.61.0")


def given_access(cluster: Cluster) -> None:
    """Give the workers data, and so a role and a security group of their own."""
    cluster.cloud.clients("s3").create_bucket(Bucket="lake")
    (name,) = cluster.environment.workers
    more = {"s3_read": ("lake/*",), "egress": ("tcp/5432 to 10.0.0.0/8",)}
    group = cluster.environment.workers[name].model_copy(update=more)
    cluster.environment = cluster.environment.model_copy(update={"workers": {name: group}})


def taken_access(cluster: Cluster) -> None:
    """Take the access away that the workers have had."""
    before = cluster.environment
    given_access(cluster)
    cluster.deploy()
    cluster.environment = before


@pytest.fixture
def serving(deployed: Deployed) -> Watched:
    """The cluster with one head and two workers, which is rolled quickly."""
    return Watched(deployed.cloud, sized(WORKERS, **QUICK), deployed.doubled)


Chosen = Callable[[Call, str], bool]


def everything(call: Call, fault: str) -> bool:
    """Have every fault at every call."""
    return True


class Sample:
    """Has a fault at the first call of some operations that bring the rollout forward."""

    def __init__(self, **faults: str) -> None:
        assert set(faults.values()) <= set(FAULTS)
        self._faults = dict(faults)

    def __call__(self, call: Call, fault: str) -> bool:
        # These two also keep the lock, and verify.
        if call.operation in ("UpdateItem", "SendCommand") and not call.ends_something:
            return False
        if self._faults.get(call.operation) != fault:
            return False
        del self._faults[call.operation]
        return True


# A sample of the deaths of a first deploy is in test_killed.py.
@THOROUGH_ONLY
def test_a_first_deploy_survives_every_fault(deployed: Deployed, results: Path) -> None:
    cluster = Watched(deployed.cloud, sized(1, name="fresh", **QUICK), deployed.doubled)
    cluster.watch = Watch(cluster, floor=0, serves=False)

    story = Story(cluster.deploy, again(cluster.deploy, lambda: ending(cluster, named=False)))
    sample = Sample(CreateAutoScalingGroup="timed out")
    try_all(cluster, story, sample, results)


@pytest.mark.parametrize(
    ("bake", "floor", "strategy", "sample"),
    [
        (
            new_head,
            WORKERS,
            "hand-over",
            Sample(
                UpdateAutoScalingGroup="killed after",
                TerminateInstanceInAutoScalingGroup="sent twice",
            ),
        ),
        (
            new_workers,
            FLOOR,
            "workers",
            Sample(DescribeAlarms="denied", SendCommand="timed out"),
        ),
        pytest.param(
            both_new,
            FLOOR,
            "hand-over",
            Sample(UpdateAutoScalingGroup="sent twice"),
            marks=THOROUGH_ONLY,
        ),
        (
            another_ray,
            0,
            "replace-all",
            Sample(UpdateItem="killed after"),
        ),
        (
            given_access,
            FLOOR,
            "workers",
            Sample(ExecuteChangeSet="killed after"),
        ),
        pytest.param(
            taken_access,
            FLOOR,
            "workers",
            Sample(DeleteStack="killed after"),
            marks=THOROUGH_ONLY,
        ),
    ],
)
def test_a_rollout_survives_every_fault(
    serving: Watched,
    results: Path,
    bake: Bake,
    floor: int,
    strategy: str,
    sample: Sample,
) -> None:
    keeps = frozenset(serving.worker_ids) if bake is new_head else frozenset()
    bake(serving)
    assert serving.prepare().rollout.plan.strategy == strategy
    serving.watch = Watch(serving, floor, serves=True, keeps=keeps)

    # A security group gets a random name, which is in the content of a template.
    named = bake is not given_access
    story = Story(serving.deploy, again(serving.deploy, lambda: ending(serving, named=named)))
    try_all(serving, story, sample, results)


def test_a_rollback_survives_every_fault(serving: Watched, results: Path) -> None:
    before = serving.prepare().rollout.desired.release
    both_new(serving)
    serving.deploy()
    serving.watch = Watch(serving, FLOOR, serves=True)

    def once_more() -> None:
        if serves(serving) == before:  # else this would take it back once more
            serving.deploy(before, "rollback")
        else:
            serving.rollback()

    story = Story(serving.rollback, again(once_more, lambda: ending(serving, before)))
    sample = Sample(TerminateInstances="timed out")
    try_all(serving, story, sample, results)


def serves(cluster: Cluster) -> Release | None:
    """Return the release that the cluster is known to serve."""
    environment = cluster.environment
    return current_release(cluster.cloud.clients, environment.bucket, environment.name)


def try_all(cluster: Watched, story: Story, sample: Sample, results: Path) -> None:
    """Try all faults or a sample, say how that went, and fail where one was not overcome."""
    assert cluster.watch is not None
    chosen: Chosen = everything if THOROUGH else sample
    once = THOROUGH and os.environ["RAYKILN_THOROUGH"] != "all"
    if once:
        cluster.neighbour.destroy()  # in a thousand copies it would take a fifth of the time
    which, of = os.environ.get("RAYKILN_PART", "1/1").split("/")
    part = (int(which), int(of))
    trials = Trials(cluster, cluster.watch, story, chosen, results, once, part)
    trials.run()

    words = (
        f"{trials.calls} calls, {trials.cases} faults, of which {trials.tried.total()} were"
        f" tried and {trials.states} left AWS in a new state"
    )
    print(f"{words}: {dict(trials.tried)}; {dict(trials.outcomes)}", flush=True)
    assert trials.tried.total() > 0
    assert not trials.failures, "\n".join(trials.failures)
