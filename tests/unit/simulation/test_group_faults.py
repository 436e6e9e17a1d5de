"""It must not matter where a deployer dies while groups are added, changed, removed or renamed.

As test_faults.py, with its samples and its exhaustive runs.
"""

from pathlib import Path
from typing import Any

import pytest

from deploy.release.release import Release
from tests.marks import THOROUGH_ONLY
from tests.unit.deploy.builders import an_environment
from tests.unit.simulation.conftest import Deployed
from tests.unit.simulation.test_faults import (
    QUICK,
    Sample,
    Watched,
    anonymous,
    ending,
    serves,
    try_all,
)
from tests.unit.simulation.trials import Story, again
from tests.unit.simulation.watch import Watch

pytestmark = pytest.mark.thorough
WORKERS = 2
WORKER = {"instance_types": ["m6i.large"], "min": WORKERS, "max": WORKERS}
GPU = {"instance_types": ["g6.xlarge"], "min": 1, "max": 2}
Groups = dict[str, dict[str, Any]]
ALONE: Groups = {"worker": WORKER}
BOTH: Groups = {"worker": WORKER, "gpu": GPU}


def asked(cluster: Watched, groups: Groups) -> None:
    """Have the cluster's file ask for these groups."""
    cluster.environment = an_environment(workers=groups, **QUICK)


@pytest.fixture
def serving(deployed: Deployed) -> Watched:
    """The cluster with one head and two workers, which is rolled quickly."""
    return Watched(deployed.cloud, an_environment(workers=ALONE, **QUICK), deployed.doubled)


def group_ending(cluster: Watched, release: Release | None = None) -> dict[str, object]:
    """Return ``ending`` with numbers for names: a template that is created has another each time.

    The number of the YAML in use comes first. Other YAMLs may stay: a rollback stores some.
    """
    found = ending(cluster, release)
    kept = [key for key in cluster.state().keys if "/releases/" in key]
    found = {"the autoscaler": found["the autoscaler"]} | found | {"the documents": sorted(kept)}
    numbered = anonymous(found)
    for key in ("the documents", "the instances"):
        numbered[key] = sorted(numbered[key], key=str)  # type: ignore[call-overload]
    return numbered


@pytest.mark.parametrize(
    ("before", "after", "sample"),
    [
        pytest.param(
            ALONE,
            BOTH,
            Sample(CreateLaunchTemplate="killed after", CreateTags="sent twice"),
            id="added",
        ),
        pytest.param(
            BOTH,
            ALONE,
            Sample(SendCommand="timed out", DeleteLaunchTemplate="killed after"),
            id="removed",
        ),
        pytest.param(
            BOTH,
            {"worker": WORKER, "big": GPU},
            Sample(SendCommand="killed after"),
            id="renamed",
            marks=THOROUGH_ONLY,
        ),
    ],
)
def test_another_set_of_groups_survives_every_fault(
    serving: Watched, results: Path, before: Groups, after: Groups, sample: Sample
) -> None:
    if before is BOTH:
        asked(serving, before)
        serving.deploy()
    stay = frozenset(w.id for w in serving.state().workers if w.group == "worker")
    asked(serving, after)
    serving.watch = Watch(serving, WORKERS, serves=True, keeps=stay)

    story = Story(serving.deploy, again(serving.deploy, lambda: group_ending(serving)))
    try_all(serving, story, sample, results)


@THOROUGH_ONLY
def test_a_roll_of_two_groups_survives_every_fault(serving: Watched, results: Path) -> None:
    asked(serving, BOTH)
    serving.deploy()
    serving.cloud.bake("worker")
    assert serving.prepare().rollout.plan.strategy == "workers"
    serving.watch = Watch(serving, WORKERS - 1, serves=True)

    story = Story(serving.deploy, again(serving.deploy, lambda: group_ending(serving)))
    try_all(serving, story, Sample(SendCommand="sent twice"), results)


# A sample of a rollback is in test_faults.py.
@THOROUGH_ONLY
@pytest.mark.parametrize(
    ("before", "after", "sample"),
    [
        pytest.param(ALONE, BOTH, Sample(SendCommand="killed after"), id="of an added group"),
        pytest.param(
            BOTH, ALONE, Sample(CreateLaunchTemplate="killed after"), id="of a removed group"
        ),
    ],
)
def test_a_rollback_of_groups_survives_every_fault(
    serving: Watched, results: Path, before: Groups, after: Groups, sample: Sample
) -> None:
    if before is BOTH:
        asked(serving, before)
        serving.deploy()
    release = serving.prepare().rollout.desired.release
    asked(serving, after)
    serving.deploy()
    stay = frozenset(w.id for w in serving.state().workers if w.group == "worker")
    serving.watch = Watch(serving, WORKERS, serves=True, keeps=stay)

    def once_more() -> None:
        if serves(serving) == release:  # else this would take it back once more
            serving.deploy(release, "rollback")
        else:
            serving.rollback()

    story = Story(serving.rollback, again(once_more, lambda: group_ending(serving, release)))
    try_all(serving, story, sample, results)
