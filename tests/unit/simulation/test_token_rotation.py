"""Another token on all nodes: what a rotation says, what it leaves, and that it can die anywhere.

As in test_faults.py: a sample, and every fault at every call with ``RAYKILN_THOROUGH``.
"""

from pathlib import Path
from typing import Any

import pytest

from common.errors import Refused
from common.progress import Progress, Silent
from deploy.cluster.secret import find_secret, secret_value
from deploy.operate.token_rotation import PlannedRotation, TokenRotation
from deploy.release.config_bucket import stored_keys
from localcloud.patches import elasticache
from node import contract
from tests.unit.simulation.conftest import Cluster, Deployed, sized
from tests.unit.simulation.ray_dashboard import FakeRayApi
from tests.unit.simulation.test_faults import QUICK, WORKERS, Sample, Watched, ending, try_all
from tests.unit.simulation.trials import Story, again
from tests.unit.simulation.watch import Watch

KEEPING = {"instance_type": "m6i.large", "state": "redis", "redis_node_type": "cache.t4g.small"}
CALM = 130.0  # until alarms are quiet and heartbeats steady again


@pytest.fixture
def serving(deployed: Deployed) -> Watched:
    """The cluster with one head and two workers."""
    return Watched(deployed.cloud, sized(WORKERS, **QUICK), deployed.doubled)


def keeping(single: Cluster) -> Cluster:
    """Deploy stored state: the cluster's state is in a Redis of the foundation from now on."""
    cluster = Cluster(single.cloud, sized(WORKERS, head=KEEPING))
    cluster.deploy()
    return cluster


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
    return secret_value(cluster.cloud.clients, cluster.environment.secret)


def rotated(cluster: Watched) -> dict[str, object]:
    """Return everything that must be as after a rotation without a fault."""
    clients, environment = cluster.cloud.clients, cluster.environment
    found = ending(cluster)
    return found | {
        "another token": value(cluster) == cluster.life.token,
        "locked out": cluster.cloud.rays.locked_out,
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


def passwords() -> tuple[str, ...]:
    """Return what the Redis of the foundation accepts."""
    (plan,) = elasticache.plans()
    return plan.tokens


def password(cluster: Cluster) -> str:
    return secret_value(cluster.cloud.clients, cluster.environment.state_secret)


def test_with_stored_state_the_token_is_replaced_and_the_redis_keeps_its_password(
    single: Cluster,
) -> None:
    kept = keeping(single)
    before, stored, life = value(kept), password(kept), kept.life
    assert passwords() == (stored,)
    assert stored != before

    planned = rotate(kept)

    assert planned.words[0] == "another token replaces version 1 of /ray/dev/redis_password"
    assert planned.words[2:-1] == (
        "Ray starts anew on every worker; its autoscaler may replace their instances",
        "1 job ends: job-1",
        "kept in the Redis: how jobs have ended; actors that may be restarted, which start anew, "
        "with nothing in memory; detached placement groups",
    )
    assert version(kept) == 2
    assert kept.life is not life
    assert kept.life.token == value(kept) != before
    assert password(kept) == stored
    assert passwords() == (stored,)
    assert kept.cloud.rays.locked_out == []
    assert kept.cloud.rays.worker_count(kept.name) == 2
    assert kept.failed_checks(CALM) == []


def shared(cluster: Cluster) -> Cluster:
    """Return the cluster as it was before a Redis had its own secret: the token is both."""
    environment = cluster.environment
    names = environment.names.model_copy(update={"state_secret": environment.secret})
    before = environment.model_copy(update={"names": names})
    before.__dict__.pop("state_secret", None)  # the copy has the value that was derived
    assert before.state_secret == environment.secret
    return Cluster(cluster.cloud, before)


def test_a_redis_that_has_the_token_as_its_password_is_given_a_secret_of_its_own(
    single: Cluster,
) -> None:
    kept = Cluster(single.cloud, sized(WORKERS, head=KEEPING))
    shared(kept).deploy()
    token = value(kept)
    assert passwords() == (token,)
    with pytest.raises(Refused, match="the Redis of dev has Ray's token as its password") as raised:
        rotation(kept).plan()
    assert "invoke deploy --env dev" in raised.value.hint
    assert version(kept) == 1

    kept.deploy()

    assert password(kept) == token
    assert passwords() == (token,)
    rotate(kept)
    assert value(kept) != token
    assert password(kept) == token
    assert passwords() == (token,)
    assert kept.cloud.rays.locked_out == []
    assert kept.failed_checks(CALM) == []


def test_a_rotation_is_refused_until_heads_read_the_password_of_their_own_redis(
    single: Cluster,
) -> None:
    given = "redis.example:6379"
    single.cloud.given_redis[given] = value(single)
    head = {"instance_type": "m6i.large", "state": "redis", "redis": given}
    kept = Cluster(single.cloud, sized(WORKERS, head=head))
    shared(kept).deploy()
    with pytest.raises(Refused, match="the Redis of dev has Ray's token as its password"):
        rotation(kept).plan()

    kept.deploy()
    rotate(kept)

    assert password(kept) == single.cloud.given_redis[given] != value(kept)
    assert kept.cloud.rays.locked_out == []
    assert kept.failed_checks(CALM) == []


def test_a_release_whose_head_takes_the_token_for_the_password_is_served_only_while_it_is(
    single: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Cluster(single.cloud, sized(WORKERS, head=KEEPING))
    kept.cloud.bake("head", contract="3")
    with monkeypatch.context() as before:
        before.setattr(contract, "VERSION", "3")
        kept.cloud.bake("worker", contract="3")
        shared(kept).deploy()
    for role in ("head", "worker"):
        kept.cloud.bake(role)
    kept.deploy()
    kept.rollback()
    with pytest.raises(Refused, match="the Redis of dev has Ray's token as its password"):
        rotation(kept).plan()
    kept.deploy()
    assert kept.cloud.rays.locked_out == []
    rotate(kept)

    with pytest.raises(Refused, match="takes Ray's token for the password of its Redis"):
        kept.rollback()

    assert kept.failed_checks(CALM) == []


def rotate_despite_faults(cluster: Watched, results: Path) -> None:
    """Try every fault at every call of a rotation; it ends as one without a fault."""
    watch = cluster.watch = Watch(cluster, floor=0, serves=False, keeps=frozenset())
    story = Story(
        lambda: rotate(cluster, watch),
        again(lambda: rotate(cluster, watch), lambda: rotated(cluster)),
    )
    sample = Sample(
        PutObject="killed after",
        PutParameter="timed out",
        SendCommand="throttled",
        ListObjectVersions="killed",
    )
    try_all(cluster, story, sample, results)


@pytest.mark.thorough
def test_a_rotation_survives_every_fault(serving: Watched, results: Path) -> None:
    rotate_despite_faults(serving, results)


@pytest.mark.thorough
def test_a_rotation_with_stored_state_survives_every_fault(serving: Watched, results: Path) -> None:
    serving.environment = sized(WORKERS, head=KEEPING, **QUICK)
    serving.deploy()

    rotate_despite_faults(serving, results)


@pytest.mark.thorough
def test_a_redis_is_given_its_own_secret_whatever_fails(serving: Watched, results: Path) -> None:
    serving.environment = sized(WORKERS, head=KEEPING, **QUICK)
    shared(serving).deploy()
    token = value(serving)
    serving.watch = Watch(serving, floor=0, serves=False, keeps=frozenset())

    def given() -> dict[str, object]:
        return rotated(serving) | {"kept": password(serving) == token}

    story = Story(serving.deploy, again(serving.deploy, given))
    sample = Sample(PutParameter="killed after", ExecuteChangeSet="killed after")
    try_all(serving, story, sample, results)

    assert rotate(serving).version == 1
    assert serving.cloud.rays.locked_out == []
