"""A cluster whose head is lost, cut off, stopped or half alive.

That no two heads ever run Ray together is checked by the simulation itself, at every start.
"""

import pytest

from deploy.cluster.alarms import find_alarms
from deploy.operate.status_report import NO_STANDBY
from localcloud import behaviour
from node.lease.lease import LEASE_TIMES
from tests.simulation.head import FakeRayHead
from tests.simulation.machine import NODES
from tests.simulation.ray import TwoHeads
from tests.unit.simulation.conftest import Cluster

# A step of the guard may take two seconds, and comes every quarter.
FENCED = LEASE_TIMES.fence + 2.25
CALM = 130.0  # until alarms are quiet and heartbeats steady again


def test_a_terminated_head_is_replaced_and_its_workers_rejoin(single: Cluster) -> None:
    before, workers = single.leader(), single.worker_ids

    single.cloud.clients("ec2").terminate_instances(InstanceIds=[before.host.instance_id])
    single.leads_again(before, within=120)
    single.joined(2, within=60)

    assert single.worker_ids == workers
    assert single.failed_checks(CALM) == []


def test_workers_are_back_long_before_the_load_balancer_is(single: Cluster) -> None:
    before = single.leader()
    behaviour.install(behaviour.LIKE_AWS)

    single.cloud.clients("ec2").terminate_instances(InstanceIds=[before.host.instance_id])
    single.leads_again(before, within=200)
    single.joined(2, within=30)

    after = single.leader().host.instance_id
    assert all(after not in health or health[after] != "healthy" for health in targets(single))
    single.cloud.clock.sleep(behaviour.LIKE_AWS.registration + 20)
    assert all(health[after] == "healthy" for health in targets(single))


def test_clients_reach_a_standby_that_takes_over_without_waiting_for_the_load_balancer(
    doubled: Cluster,
) -> None:
    before = doubled.leader()
    behaviour.install(behaviour.LIKE_AWS)

    doubled.cloud.clients("ec2").terminate_instances(InstanceIds=[before.host.instance_id])
    doubled.leads_again(before, within=60)

    after = doubled.leader().host.instance_id
    assert all(health[after] == "healthy" for health in targets(doubled))


def test_a_standby_that_cannot_reach_the_leader_gets_no_traffic(doubled: Cluster) -> None:
    leader = doubled.leader().host.instance_id
    (standby,) = (head for head in doubled.head_ids if head != leader)
    assert all(set(health.values()) == {"healthy"} for health in targets(doubled))

    doubled.cloud.cut_off(standby, doubled.leader().address)
    doubled.cloud.clock.sleep(30)

    assert all(health[leader] == "healthy" != health[standby] for health in targets(doubled))
    doubled.cloud.reconnect(standby)
    assert doubled.failed_checks(CALM) == []
    assert doubled.leader().host.instance_id == leader


def targets(cluster: Cluster) -> list[dict[str, str]]:
    """Return, for each target group, the health of each instance."""
    return list(cluster.status().targets.values())


def test_a_head_that_loses_its_power_is_replaced(single: Cluster) -> None:
    before = single.leader()

    single.cloud.crash(before.host.instance_id)
    single.leads_again(before, within=120)

    assert single.failed_checks(CALM) == []


def test_a_standby_takes_over_before_the_group_has_a_replacement(doubled: Cluster) -> None:
    before = doubled.leader()

    doubled.cloud.crash(before.host.instance_id)
    seconds = doubled.leads_again(before, within=60)
    doubled.joined(2, within=40)

    assert seconds < LEASE_TIMES.length + doubled.cloud.settings.head_joins + 3
    assert doubled.failed_checks(CALM) == []
    assert len(doubled.head_ids) == 2


def test_a_leader_that_shuts_down_releases_the_lease_at_once(doubled: Cluster) -> None:
    before = doubled.leader()

    doubled.cloud.clients("ec2").terminate_instances(InstanceIds=[before.host.instance_id])
    seconds = doubled.leads_again(before, within=60)

    assert seconds < doubled.cloud.settings.head_joins + 3


def test_a_head_cut_off_from_the_lease_fences_itself_before_another_leads(doubled: Cluster) -> None:
    before, life, cut = doubled.leader(), doubled.life, doubled.cloud.clock.now()

    doubled.cloud.cut_off(before.host.instance_id, "dynamodb")
    doubled.leads_again(before, within=60)

    assert life.ended is not None
    assert life.ended - cut <= FENCED
    assert life.ended < doubled.life.began


def test_a_head_cut_off_from_all_fences_itself_and_comes_back_as_a_standby(
    doubled: Cluster,
) -> None:
    before, life, cut = doubled.leader(), doubled.life, doubled.cloud.clock.now()

    doubled.cloud.cut_off(before.host.instance_id)
    doubled.leads_again(before, within=30)
    doubled.joined(2, within=60)
    doubled.cloud.reconnect(before.host.instance_id)

    assert life.ended is not None
    assert life.ended - cut <= FENCED
    assert doubled.failed_checks(CALM) == []
    assert doubled.leader() is not before


def test_a_head_that_is_cut_off_for_good_is_no_standby_and_that_is_noticed(
    doubled: Cluster,
) -> None:
    before, alarm = doubled.leader(), f"alarm raykiln-{doubled.name}-no-standby"
    doubled.cloud.clock.sleep(CALM)
    assert doubled.status().problems == ()

    doubled.cloud.cut_off(before.host.instance_id)
    doubled.leads_again(before, within=30)
    doubled.joined(2, within=60)
    doubled.cloud.clock.sleep(2 * 60)
    assert NO_STANDBY in doubled.status().problems
    assert alarm not in doubled.status().problems
    assert "a head stands by" in " ".join(doubled.failed_checks())

    doubled.cloud.clock.sleep(3 * 60)
    assert alarm in doubled.status().problems
    doubled.cloud.reconnect(before.host.instance_id)
    assert doubled.failed_checks(CALM) == []
    assert doubled.status().problems == ()


def test_a_standby_that_boots_in_two_minutes_sets_off_no_alarm(doubled: Cluster) -> None:
    before, alarm = doubled.leader(), f"raykiln-{doubled.name}-no-standby"
    doubled.cloud.clock.sleep(5 * 60)

    doubled.cloud.crash(before.host.instance_id)
    for _ in range(60):
        doubled.cloud.clock.sleep(5)
        found = find_alarms(doubled.cloud.clients, doubled.environment)
        assert [one.state for one in found if one.name == alarm] == ["OK"]
    assert doubled.failed_checks() == []


def test_a_head_that_only_workers_cannot_reach_goes_on_leading(single: Cluster) -> None:
    before = single.leader()

    single.cloud.cut_off(before.host.instance_id, NODES)
    single.cloud.clock.sleep(60)
    assert single.leader() is before
    single.cloud.reconnect(before.host.instance_id)

    assert single.failed_checks(CALM) == []


def test_a_paused_guard_is_killed_with_its_ray_before_another_leads(doubled: Cluster) -> None:
    before, life, paused = doubled.leader(), doubled.life, doubled.cloud.clock.now()

    doubled.cloud.pause_guard(before.host.instance_id)
    doubled.leads_again(before, within=60)

    assert life.ended is not None
    assert life.ended - paused <= LEASE_TIMES.length - 1
    assert doubled.failed_checks(CALM) == []


def test_a_guard_whose_gcs_dies_releases_the_lease_at_once(doubled: Cluster) -> None:
    before, died = doubled.leader(), doubled.cloud.clock.now()

    doubled.cloud.end_gcs(doubled.name)
    doubled.leads_again(before, within=30)

    assert doubled.life.began - died < 3
    assert doubled.failed_checks(CALM) == []


def test_a_gcs_that_hangs_is_killed(single: Cluster) -> None:
    life = single.life

    life.hangs = True
    single.cloud.clock.until(lambda: life.ended is not None, 30, "the end of what hangs")

    assert single.failed_checks(CALM) == []


def test_lost_answers_make_no_second_head(doubled: Cluster) -> None:
    before = doubled.leader()

    before.loses_answers = True
    doubled.leads_again(before, within=90)
    before.loses_answers = False

    assert doubled.failed_checks(CALM) == []


def test_while_the_lease_is_unreachable_no_head_leads(doubled: Cluster) -> None:
    heads = doubled.head_ids
    for instance_id in heads:
        doubled.cloud.cut_off(instance_id, "dynamodb")
    doubled.cloud.clock.sleep(60)
    assert doubled.cloud.rays.running(doubled.name) is None

    for instance_id in heads:
        doubled.cloud.reconnect(instance_id)
    doubled.cloud.clock.until(
        lambda: doubled.cloud.leader(doubled.name) is not None, 60, "a leader"
    )

    assert doubled.failed_checks(CALM) == []


def test_a_lost_worker_is_replaced_by_the_autoscaler(single: Cluster) -> None:
    lost = min(single.worker_ids)

    single.cloud.crash(lost)
    single.joined(1, within=60)
    single.joined(2, within=120)

    assert lost not in single.worker_ids
    assert single.failed_checks(CALM) == []


def test_a_worker_that_was_cut_off_rejoins_or_is_replaced(single: Cluster) -> None:
    lost = min(single.worker_ids)

    single.cloud.cut_off(lost)
    single.cloud.clock.sleep(90)
    if lost in single.worker_ids:
        single.cloud.reconnect(lost)
    single.joined(2, within=120)

    assert single.failed_checks(CALM) == []


def test_a_rotated_secret_is_used_by_head_and_workers_at_the_next_start(single: Cluster) -> None:
    before = single.leader()
    single.cloud.clients("ssm").put_parameter(
        Name=single.environment.secret, Value="another", Type="SecureString", Overwrite=True
    )

    single.cloud.end_gcs(single.name)
    single.cloud.clock.until(lambda: single.cloud.leader(single.name) is before, 60, "Ray again")
    single.joined(2, within=120)

    assert single.life.token == "another"


def test_without_its_secret_no_head_starts_ray_and_with_it_one_does(single: Cluster) -> None:
    before, ssm = single.leader(), single.cloud.clients("ssm")
    name = single.environment.secret
    ssm.delete_parameter(Name=name)

    single.cloud.crash(before.host.instance_id)
    single.cloud.clock.sleep(180)
    assert single.cloud.rays.running(single.name) is None
    ssm.put_parameter(Name=name, Value="back", Type="SecureString")

    single.leads_again(before, within=600)


def test_the_simulation_notices_two_heads(
    doubled: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = doubled.leader()
    monkeypatch.setattr(FakeRayHead, "kill", lambda head: True)

    doubled.cloud.cut_off(before.host.instance_id, "dynamodb")

    with pytest.raises(TwoHeads):
        doubled.cloud.clock.sleep(60)
