"""Another token on all nodes: what a rotation says, what it leaves, and that it can die anywhere.

As in test_faults.py: a sample, and every fault at every call with ``RAYKILN_THOROUGH``.
"""

from pathlib import Path
from typing import Any

import pytest

from common.errors import Refused
from common.progress import Progress, Silent
from deploy.cluster.secret import find_secret
from deploy.operate.token_rotation import PlannedRotation, TokenRotation
from deploy.release.config_bucket import stored_keys
from tests.unit.simulation.conftest import Cluster, Deployed, sized
from tests.unit.simulation.ray_dashboard import FakeRayApi
from tests.unit.simulation.test_faults import QUICK, WORKERS, Sample, Watched, ending, try_all
from tests.unit.simulation.trials import Story
from tests.unit.simulation.watch import Watch

CALM = 130.0  # until alarms are quiet and heartbeats steady again


@pytest.fixture
def serving(deployed: Deployed) -> Watched:
    """The cluster with one head and two workers."""
    return Watched(deployed.cloud, sized(WORKERS, **QUICK), deployed.doubled)


def rotation(cluster: Cluster, progress: Progress | None = None) -> TokenRotation:
    cloud = cluster.cloud
    api: Any = lambda: FakeRayApi(cloud, cluster.environment)  # noqa: E731
    return TokenRotation(cloud.clients, cluster.environment, cloud.clock, api, progress or Silent())


def rotate(cluster: Cluster, progress: Progress | None = None) -> PlannedRotation:
    """Rotate, as with --yes."""
    task = rotation(cluster, progress)
    planned = task.plan()
    task.run(planned)
    return planned


def version(cluster: Cluster) -> int:
    found = find_secret(cluster.cloud.clients, cluster.environment.secret)
    assert found
    return found.version


def value(cluster: Cluster) -> str:
    ssm = cluster.cloud.clients("ssm")
    found = ssm.get_parameter(Name=cluster.environment.secret, WithDecryption=True)
    return str(found["Parameter"]["Value"])


def rotated(cluster: Watched) -> dict[str, object]:
    """Return everything that must be as after a rotation without a fault."""
    clients, environment = cluster.cloud.clients, cluster.environment
    found = ending(cluster)
    return found | {
        "another token": value(cluster) == cluster.life.token,
        "marks": sorted(stored_keys(clients, environment.bucket, f"{environment.name}/token")),
        "workers": cluster.cloud.rays.worker_count(cluster.name),
    }


def test_head_and_workers_have_another_token_and_no_instance_is_replaced(single: Cluster) -> None:
    before, heads, workers = value(single), single.head_ids, single.worker_ids

    planned = rotate(single)

    assert planned.words == (
        "another token replaces version 1 of /ray/dev/redis_password",
        f"restart {heads[0]}, the leader: no head meanwhile, and its jobs end",
        "Ray starts anew on every worker; all instances stay",
        "1 job ends: job-1",
        "whoever has `invoke connect` open must open it again",
    )
    assert version(single) == 2
    assert value(single) != before
    assert single.life.token == value(single)
    assert single.cloud.rays.worker_count(single.name) == 2
    assert single.head_ids == heads
    assert single.worker_ids == workers
    assert single.failed_checks(CALM) == []


def test_a_standby_takes_over_with_the_new_token(doubled: Cluster) -> None:
    before, heads = doubled.leader(), sorted(doubled.head_ids)

    planned = rotate(doubled)

    assert planned.words[1].split()[1:] == (
        f"takes over the lease from {before.host.instance_id}, whose jobs end".split()
    )
    assert doubled.leader() is not before
    assert sorted(doubled.head_ids) == heads
    assert doubled.life.token == value(doubled)
    assert doubled.cloud.rays.worker_count(doubled.name) == 2
    assert doubled.failed_checks(CALM) == []


def test_a_rotation_that_ended_is_not_continued_but_another_is_made(single: Cluster) -> None:
    rotate(single)

    planned = rotate(single)

    assert not planned.continues
    assert planned.version == 2
    assert version(single) == 3


def test_one_that_was_killed_before_the_restart_is_continued_with_the_same_token(
    single: Cluster,
) -> None:
    task = rotation(single)
    task._replace(1)
    token, life = value(single), single.life
    assert single.status().problems == (
        "a rotation of the token is not finished: invoke token.rotate continues it",
    )

    planned = rotate(single)

    assert planned.words[0] == (
        "continues: another token replaces version 1 of /ray/dev/redis_password"
    )
    assert planned.change
    assert single.status().problems == ()
    assert value(single) == token
    assert single.life is not life


def test_one_whose_head_has_the_token_only_waits_for_the_workers(single: Cluster) -> None:
    rotate(single)
    rotation(single)._replace(1)
    life = single.life

    planned = rotate(single)

    assert planned.words[1:] == ("the head has it; workers that do not yet are awaited",)
    assert version(single) == 2
    assert single.life is life
    assert not rotation(single).plan().continues


def test_where_a_redis_has_the_token_as_its_password_a_rotation_is_refused(
    single: Cluster,
) -> None:
    head = {"instance_type": "m6i.large", "state": "redis", "redis": "redis.example:6379"}
    kept = Cluster(single.cloud, sized(2, head=head))

    with pytest.raises(Refused, match="in a Redis, whose password is the token too") as raised:
        rotation(kept).plan()

    assert 'state = "none"' in raised.value.hint
    assert version(single) == 1


@pytest.mark.thorough
def test_a_rotation_survives_every_fault(serving: Watched, results: Path) -> None:
    watch = serving.watch = Watch(serving, floor=0, serves=False, keeps=frozenset())
    story = Story(
        lambda: rotate(serving, watch), lambda: rotate(serving, watch), lambda: rotated(serving)
    )
    sample = Sample(
        PutObject="killed after",
        PutParameter="timed out",
        SendCommand="throttled",
        ListObjectVersions="killed",
    )
    try_all(serving, story, sample, results)
