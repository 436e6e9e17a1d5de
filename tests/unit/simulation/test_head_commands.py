"""What an operator does to heads by hand: restart, replace, hand over; and what is refused."""

from typing import Any

import pytest

from common.errors import PipelineError, Refused
from common.progress import Silent
from deploy.cluster.heads import Heads, find_heads
from deploy.operate.head_change import ChangeResult, HeadChange, PlannedChange, plan_change
from deploy.rollout.lock import deploy_lock, find_lock
from tests.unit.simulation.conftest import Cluster
from tests.unit.simulation.ray_dashboard import FakeRayApi

CALM = 130.0  # until alarms are quiet and heartbeats steady again


def heads_of(cluster: Cluster) -> Heads:
    return find_heads(cluster.cloud.clients, cluster.environment)


def planned(cluster: Cluster, kind: Any, instance_id: str = "") -> PlannedChange:
    return plan_change(kind, heads_of(cluster), instance_id)


def changed(cluster: Cluster, change: PlannedChange) -> ChangeResult | None:
    """Carry a change out, as with --yes."""
    api: Any = lambda: FakeRayApi(cluster.cloud, cluster.environment)  # noqa: E731
    clients, clock = cluster.cloud.clients, cluster.cloud.clock
    return HeadChange(clients, cluster.environment, clock, api, Silent()).run(change)


def done(cluster: Cluster, kind: Any) -> ChangeResult:
    outcome = changed(cluster, planned(cluster, kind))
    assert outcome
    assert not [words for words in cluster.status().problems if "autoscaler" in words]
    return outcome


def standby_of(cluster: Cluster) -> str:
    leader = heads_of(cluster).leader
    (other,) = (head for head in cluster.head_ids if head != leader)
    return other


def test_the_leader_is_the_running_holder_of_the_lease(single: Cluster) -> None:
    leader = single.leader().host.instance_id

    assert heads_of(single).require_leader() == leader


def test_without_a_leader_there_is_an_error_and_exit_code_2_instead_of_an_id(
    single: Cluster,
) -> None:
    leader = single.leader().host.instance_id
    single.cloud.clients("ec2").terminate_instances(InstanceIds=[leader])

    with pytest.raises(PipelineError, match="dev has no leader") as raised:
        heads_of(single).require_leader()

    assert raised.value.exit_code == 2
    assert heads_of(single).last_leader == leader


def test_a_restarted_head_leads_again_with_its_workers(single: Cluster) -> None:
    before, workers, life = single.leader(), single.worker_ids, single.life

    outcome = done(single, "restart")

    assert single.life is not life
    assert outcome.leader == before.host.instance_id
    assert outcome.downtime
    assert 1 < outcome.downtime < 40
    assert outcome.workers == 2
    assert single.worker_ids == workers
    assert single.failed_checks(CALM) == []


def test_a_head_can_be_restarted_more_often_than_its_start_limit(single: Cluster) -> None:
    before = single.leader()

    for _ in range(6):
        done(single, "restart")

    assert single.leader() is before


def test_a_replaced_head_has_a_successor_and_its_workers_are_back(single: Cluster) -> None:
    before, workers = single.leader().host.instance_id, single.worker_ids

    outcome = done(single, "replace")

    assert outcome.leader != before
    assert single.head_ids == [outcome.leader]
    assert outcome.workers == 2
    assert single.worker_ids == workers
    assert single.failed_checks(CALM) == []


def test_a_standby_takes_over_before_the_head_is_replaced(doubled: Cluster) -> None:
    before, standby = doubled.leader().host.instance_id, standby_of(doubled)
    change = planned(doubled, "replace")

    outcome = changed(doubled, change)

    assert change.standby == standby
    assert f"{standby} takes over the lease" in change.words
    assert outcome
    assert outcome.leader == standby
    assert outcome.downtime
    assert outcome.downtime < 20
    assert before not in doubled.head_ids
    assert len(doubled.head_ids) == 2
    assert doubled.failed_checks(CALM) == []


def test_replacing_a_standby_disturbs_no_client(doubled: Cluster) -> None:
    life, standby = doubled.life, standby_of(doubled)

    outcome = changed(doubled, planned(doubled, "replace", standby))

    assert outcome is None
    assert doubled.life is life
    assert standby not in doubled.head_ids
    assert len(doubled.head_ids) == 2


def test_restarting_a_standby_disturbs_no_client(doubled: Cluster) -> None:
    life = doubled.life

    changed(doubled, planned(doubled, "restart", standby_of(doubled)))

    assert doubled.life is life
    assert doubled.failed_checks(CALM) == []


def test_a_hand_over_makes_the_standby_lead_and_terminates_no_instance(doubled: Cluster) -> None:
    heads, standby = sorted(doubled.head_ids), standby_of(doubled)

    outcome = done(doubled, "hand-over")

    assert outcome.leader == standby == doubled.leader().host.instance_id
    assert outcome.workers == 2
    assert sorted(doubled.head_ids) == heads
    assert doubled.failed_checks(CALM) == []


def test_without_a_standby_a_hand_over_is_refused_with_a_hint(single: Cluster) -> None:
    with pytest.raises(Refused, match="no standby") as raised:
        planned(single, "hand-over")

    assert "invoke head.replace --env dev" in raised.value.hint


def test_an_id_that_is_no_running_head_is_refused(single: Cluster) -> None:
    for instance_id in ("i-0", next(iter(single.worker_ids))):
        with pytest.raises(Refused, match="not a running head"):
            planned(single, "restart", instance_id)


@pytest.mark.parametrize("kind", ["restart", "replace"])
def test_a_running_rollout_is_not_disturbed(single: Cluster, kind: str) -> None:
    cloud, life, change = single.cloud, single.life, planned(single, kind)

    with deploy_lock(cloud.clients, single.environment, "deploy of a1", clock=cloud.clock) as kept:
        # The deployer goes on while this waits for it.
        cloud.clock.every(4.0, kept.now)
        with pytest.raises(Refused, match="deploy of a1"):
            changed(single, change)

    assert single.life is life


def test_the_lock_is_released(single: Cluster) -> None:
    done(single, "restart")

    assert find_lock(single.cloud.clients, single.environment) is None


def test_a_leader_other_than_the_one_shown_is_left_alone(doubled: Cluster) -> None:
    change = planned(doubled, "hand-over")
    done(doubled, "hand-over")
    life = doubled.life

    with pytest.raises(Refused, match="changed"):
        changed(doubled, change)

    assert doubled.life is life


def test_a_head_that_hangs_can_be_restarted_by_its_id(single: Cluster) -> None:
    before = single.leader()
    single.cloud.end_gcs(single.name)

    outcome = changed(single, planned(single, "restart", before.host.instance_id))

    assert outcome is None or outcome.downtime is None
    assert single.failed_checks(CALM) == []


def test_a_head_that_leads_again_after_all_is_not_terminated(doubled: Cluster) -> None:
    before, standby = doubled.leader(), standby_of(doubled)
    # Both heads are of one image, so only what is started from now on is broken.
    doubled.cloud.faults.broken_images.add(before.host.ami_id)
    change = planned(doubled, "replace")

    with pytest.raises(PipelineError):
        changed(doubled, change)

    assert {before.host.instance_id, standby} <= set(doubled.head_ids)
