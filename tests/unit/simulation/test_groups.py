"""A group of workers with several instance types: launched, changed, and rolled back."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from common.errors import Refused
from tests.unit.deploy.builders import an_environment
from tests.unit.simulation.conftest import Cluster, Deployed, sized

WATCH: dict[str, Any] = {"rollout": {"drain_seconds": 10, "watch_seconds": 10}}
FIRST, SECOND = "m6i.large", "m6a.large"


def group_of(*types: str, **changes: Any) -> dict[str, Any]:
    return {"worker": {"instance_types": types, "min": 2, "max": 4} | changes}


def types_of(cluster: Cluster) -> Counter[str]:
    return Counter(worker.type for worker in cluster.state().workers if worker.state == "running")


def changed(cluster: Cluster, workers: dict[str, Any]) -> None:
    cluster.environment = an_environment(workers=workers, name=cluster.name, **WATCH)


@pytest.fixture(scope="module")
def grouped(deployed: Deployed) -> Iterator[Cluster]:
    """A cluster of one group that has two types."""
    cluster = Cluster(deployed.cloud, sized(1, name="grouped", **WATCH))
    cluster.deploy()
    changed(cluster, group_of(FIRST, SECOND))
    cluster.deploy()
    assert types_of(cluster) == {FIRST: 2}
    yield cluster
    cluster.destroy()


def test_where_there_is_no_capacity_for_a_type_the_next_is_used_within_a_minute(
    grouped: Cluster,
) -> None:
    grouped.cloud.no_capacity(FIRST)

    grouped.cloud.crash(min(grouped.worker_ids))
    grouped.joined(1, within=60)
    grouped.joined(2, within=120)

    assert types_of(grouped) == {FIRST: 1, SECOND: 1}
    grouped.cloud.capacity_again()
    assert grouped.prepare().rollout.plan.is_empty
    assert grouped.failed_checks(180.0) == []
    grouped.cloud.crash(next(i.id for i in grouped.state().workers if i.type == SECOND))
    grouped.joined(1, within=60)
    grouped.joined(2, within=120)
    assert types_of(grouped) == {FIRST: 2}


def test_workers_of_a_type_that_the_group_has_no_more_are_replaced(grouped: Cluster) -> None:
    changed(grouped, group_of(SECOND))

    assert grouped.prepare().rollout.plan.strategy == "workers"
    grouped.deploy()

    assert types_of(grouped) == {SECOND: 2}
    assert grouped.prepare().rollout.plan.is_empty
    assert grouped.failed_checks() == []


def test_another_type_to_fall_back_on_replaces_no_worker(grouped: Cluster) -> None:
    before = grouped.worker_ids
    changed(grouped, group_of(FIRST, SECOND, "m5.large"))

    assert grouped.prepare().rollout.plan.strategy == "in place"
    grouped.deploy()

    assert grouped.worker_ids == before


def test_workers_of_another_market_are_replaced_and_a_rollback_restores_it(
    grouped: Cluster,
) -> None:
    changed(grouped, group_of(FIRST, market="spot"))
    with pytest.raises(Refused, match="the account has no role AWSServiceRoleForEC2Spot"):
        grouped.deploy()
    grouped.cloud.clients("iam").create_service_linked_role(AWSServiceName="spot.amazonaws.com")
    grouped.deploy()
    assert {worker.market for worker in grouped.state().workers} == {"spot"}

    grouped.rollback()

    assert {worker.market for worker in grouped.state().workers} == {"on-demand"}
    assert grouped.failed_checks() == []


def test_a_release_from_before_groups_can_be_served_again(grouped: Cluster) -> None:
    release = grouped.prepare().rollout.desired.release
    group = replace(release.settings.groups[0], instance_types=(FIRST,))
    settings = replace(release.settings, groups=(group,), before_groups=True)
    old = replace(release, settings=settings)

    grouped.deploy(old, "rollback")

    assert grouped.state().release == old
    assert grouped.prepare(release=old).rollout.plan.is_empty
    assert grouped.failed_checks() == []
    grouped.deploy()
    assert types_of(grouped) == {FIRST: 2}
    grouped.rollback()
    assert grouped.state().release == old
