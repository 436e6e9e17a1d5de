"""It must not matter where a pause or a resume dies, nor which of its calls to AWS goes wrong.

As in test_faults.py: a sample, and every fault at every call with ``RAYKILN_THOROUGH``.
"""

from dataclasses import asdict
from pathlib import Path

import pytest

from common.progress import Progress
from deploy.operate.pause import Pause, served_release
from deploy.rollout.lock import find_lock
from tests.unit.simulation.conftest import Deployed, sized
from tests.unit.simulation.test_faults import (
    QUICK,
    SETTLES,
    WORKERS,
    Sample,
    Watched,
    ending,
    try_all,
)
from tests.unit.simulation.trials import Story, again
from tests.unit.simulation.watch import Watch

pytestmark = pytest.mark.thorough


class Ending(Watch):
    """Of a pause: its heads end without a successor."""

    def _head_ends(self, instance_id: str) -> None:
        """See Watch."""


@pytest.fixture
def serving(deployed: Deployed) -> Watched:
    """The cluster with one head and two workers."""
    return Watched(deployed.cloud, sized(WORKERS, **QUICK), deployed.doubled)


def pause(cluster: Watched, progress: Progress) -> None:
    """Pause, as with --yes."""
    cloud = cluster.cloud
    Pause(cloud.clients, cluster.environment, cloud.clock, progress).run()


def resume(cluster: Watched) -> None:
    """Resume, as with --yes."""
    release = served_release(cluster.state(), cluster.environment)
    cluster.deploy(release, "resume", resumes=True)


def paused(cluster: Watched) -> dict[str, object]:
    """Return everything that must be as after a pause without a fault."""
    clients, clock = cluster.cloud.clients, cluster.cloud.clock
    clock.sleep(SETTLES)
    state = cluster.state()
    lock = find_lock(clients, cluster.environment)
    clock.sleep(6)
    assert state.group
    return {
        "the problems": list(cluster.status().problems),
        "paused": cluster.status().paused,
        "the group": [state.group.settings.min_size, state.group.settings.desired],
        "the instances": [asdict(instance) for instance in state.instances],
        "the release": state.release.id if state.release else "",
        # That of a deployer that was killed at its very end is left to lapse.
        "a lock that is held": lock is not None and find_lock(clients, cluster.environment) != lock,
    }


def test_a_pause_survives_every_fault(serving: Watched, results: Path) -> None:
    watch = serving.watch = Ending(serving, floor=0, serves=False)
    story = Story(
        lambda: pause(serving, watch),
        again(lambda: pause(serving, watch), lambda: paused(serving)),
    )
    sample = Sample(
        ExecuteChangeSet="killed after",
        UpdateAutoScalingGroup="killed",
        TerminateInstanceInAutoScalingGroup="timed out",
        TerminateInstances="throttled",
    )
    try_all(serving, story, sample, results)


def test_a_resume_survives_every_fault(serving: Watched, results: Path) -> None:
    watch = Ending(serving, floor=0, serves=False)
    pause(serving, watch)
    serving.watch = watch
    story = Story(lambda: resume(serving), again(lambda: resume(serving), lambda: ending(serving)))
    sample = Sample(ExecuteChangeSet="killed after", UpdateAutoScalingGroup="killed after")
    try_all(serving, story, sample, results)
