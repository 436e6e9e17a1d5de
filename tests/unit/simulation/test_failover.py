"""What becomes of a cluster when its head is lost, cut off, stopped or half alive.

That no two heads ever run Ray together is checked by the simulation itself, at every start.
"""

import pytest

from localcloud.driver import Power
from localcloud.simulation.machine import NODES
from node.lease import TERMS
from tests.unit.simulation.conftest import Cluster, Start

STANDBY = {"instance_type": "m6i.large", "standby": 1}
FENCED = TERMS.fence + 2.25  # a step of the guard may take two seconds, and comes every quarter


@pytest.fixture
def single(start: Start) -> Cluster:
    """A cluster with one head and two workers."""
    return start(workers=2)


@pytest.fixture
def doubled(start: Start) -> Cluster:
    """A cluster with a standby head and two workers."""
    return start(workers=2, head=STANDBY)


def is_well(cluster: Cluster) -> bool:
    """Say whether every check passes within a few minutes."""
    cluster.cloud.clock.sleep(240)
    return [str(check) for check in cluster.checks() if not check.passed] == []


def test_a_terminated_head_is_replaced_and_its_workers_rejoin(single: Cluster) -> None:
    before, workers = single.leader(), set(single.cloud.nodes.workers)

    single.cloud.clients("ec2").terminate_instances(InstanceIds=[before.host.instance_id])
    single.leads_again(before, within=120)
    single.joined(2, within=60)

    assert set(single.cloud.nodes.workers) == workers
    assert is_well(single)


def test_a_head_that_loses_its_power_is_replaced(single: Cluster) -> None:
    before = single.leader()

    single.cloud.crash(before.host.instance_id)
    single.leads_again(before, within=120)

    assert is_well(single)


def test_a_standby_takes_over_before_the_group_has_a_replacement(doubled: Cluster) -> None:
    before = doubled.leader()

    doubled.cloud.crash(before.host.instance_id)
    seconds = doubled.leads_again(before, within=60)

    assert seconds < TERMS.length + doubled.cloud.settings.head_joins + 3
    assert doubled.joined(2, within=40) < 40
    assert is_well(doubled)
    assert len(doubled.cloud.heads()) == 2


def test_an_orderly_end_of_the_leader_hands_the_lease_over_at_once(doubled: Cluster) -> None:
    before = doubled.leader()

    doubled.cloud.clients("ec2").terminate_instances(InstanceIds=[before.host.instance_id])
    seconds = doubled.leads_again(before, within=60)

    assert seconds < doubled.cloud.settings.head_joins + 3


def test_a_head_cut_off_from_the_lease_fences_itself_before_another_leads(doubled: Cluster) -> None:
    before, life = doubled.leader(), doubled.cloud.rays.running("dev")
    assert life is not None
    cut = doubled.cloud.clock.now()

    doubled.cloud.cut_off(before.host.instance_id, "dynamodb")
    doubled.leads_again(before, within=60)

    assert life.ended is not None
    assert life.ended - cut <= FENCED
    assert life.ended < doubled.cloud.rays.lives[-1].began


def test_a_head_in_a_black_hole_fences_itself_and_is_a_standby_when_it_is_back(
    doubled: Cluster,
) -> None:
    before = doubled.leader()

    doubled.cloud.cut_off(before.host.instance_id)
    after = doubled.leads_again(before, within=60)
    doubled.joined(2, within=60)
    doubled.cloud.reconnect(before.host.instance_id)

    assert after < 30
    assert is_well(doubled)
    assert doubled.leader() is not before


def test_a_head_that_workers_alone_cannot_reach_goes_on_leading(single: Cluster) -> None:
    before = single.leader()

    single.cloud.cut_off(before.host.instance_id, NODES)
    single.cloud.clock.sleep(60)
    assert single.leader() is before
    single.cloud.reconnect(before.host.instance_id)

    assert is_well(single)


def test_a_paused_guard_is_killed_with_its_ray_before_another_leads(doubled: Cluster) -> None:
    before, life = doubled.leader(), doubled.cloud.rays.running("dev")
    assert life is not None
    paused = doubled.cloud.clock.now()

    doubled.cloud.pause_guard(before.host.instance_id)
    doubled.leads_again(before, within=60)

    assert life.ended is not None
    assert life.ended - paused <= 9
    assert is_well(doubled)


def test_a_guard_whose_gcs_dies_gives_the_lease_up_at_once(doubled: Cluster) -> None:
    before, died = doubled.leader(), doubled.cloud.clock.now()

    doubled.cloud.end_gcs("dev")
    doubled.leads_again(before, within=30)

    assert doubled.cloud.rays.lives[-1].began - died < 3
    assert is_well(doubled)


def test_a_gcs_that_hangs_is_given_up(single: Cluster) -> None:
    life = single.cloud.rays.running("dev")
    assert life is not None

    life.hangs = True
    single.cloud.clock.until(lambda: life.ended is not None, 30, "the end of what hangs")

    assert is_well(single)


def test_answers_that_are_lost_make_no_second_head(doubled: Cluster) -> None:
    before = doubled.leader()

    before.loses_answers = True
    doubled.leads_again(before, within=90)
    before.loses_answers = False

    assert is_well(doubled)


def test_a_lease_table_that_nobody_reaches_leaves_the_cluster_without_a_head_and_no_longer(
    doubled: Cluster,
) -> None:
    heads = [head.machine.host.instance_id for head in doubled.cloud.heads()]
    for instance_id in heads:
        doubled.cloud.cut_off(instance_id, "dynamodb")
    doubled.cloud.clock.sleep(60)
    assert doubled.cloud.rays.running("dev") is None

    for instance_id in heads:
        doubled.cloud.reconnect(instance_id)

    doubled.cloud.clock.until(lambda: doubled.cloud.leader("dev") is not None, 60, "a leader")
    assert is_well(doubled)


def test_a_lost_worker_is_replaced_by_the_autoscaler(single: Cluster) -> None:
    lost = next(iter(single.cloud.nodes.workers))

    single.cloud.crash(lost)
    single.cloud.clock.until(
        lambda: single.cloud.rays.worker_count("dev") == 1, 60, "the loss to be noticed"
    )
    single.joined(2, within=120)

    assert is_well(single)


def test_a_worker_cut_off_for_a_while_is_one_again_or_replaced(single: Cluster) -> None:
    lost = next(iter(single.cloud.nodes.workers))

    single.cloud.cut_off(lost)
    single.cloud.clock.sleep(90)
    if lost in single.cloud.driver.machines:
        single.cloud.reconnect(lost)
    single.joined(2, within=120)

    assert is_well(single)


def test_a_rotated_secret_reaches_head_and_workers_with_the_next_head(single: Cluster) -> None:
    before = single.leader()
    single.cloud.clients("ssm").put_parameter(
        Name=single.environment.secret, Value="another", Type="SecureString", Overwrite=True
    )

    single.cloud.end_gcs("dev")
    single.cloud.clock.until(
        lambda: (life := single.cloud.rays.running("dev")) is not None and life.token == "another",
        60,
        "Ray with the new token",
    )
    single.joined(2, within=120)

    assert single.leader() is before


def test_a_head_that_cannot_be_one_is_replaced_until_the_deploy_gives_up(start: Start) -> None:
    cluster = start(workers=1)
    before = cluster.leader()
    cluster.cloud.clients("ssm").delete_parameter(Name=cluster.environment.secret)

    cluster.cloud.crash(before.host.instance_id)
    cluster.cloud.clock.sleep(180)

    assert cluster.cloud.rays.running("dev") is None
    assert [m.power for m in cluster.cloud.driver.machines.values()].count(Power.FAILED) == 0
    cluster.cloud.clients("ssm").put_parameter(
        Name=cluster.environment.secret, Value="back", Type="SecureString"
    )
    cluster.cloud.clock.until(lambda: cluster.cloud.leader("dev") is not None, 600, "a leader")
