"""A deploy from nothing to a running cluster, on nodes that run the real node code."""

import pytest

from common.environment_tables import Head
from common.errors import PipelineError
from localcloud.account import ec2_backend
from tests.unit.simulation.conftest import STANDBY, Cluster, Deployed, Start, sized

pytestmark = pytest.mark.slow


def test_a_deploy_from_nothing_ends_with_every_check_passed(start: Start) -> None:
    cluster = start(workers=2)

    assert cluster.failed_checks() == []
    assert cluster.cloud.rays.worker_count(cluster.name) == 2


def test_heads_that_do_not_boot_fail_the_deploy_and_are_not_launched_again(
    deployed: Deployed,
) -> None:
    cluster = Cluster(deployed.cloud, sized(1, name="unbooted"))
    deployed.cloud.driver.boots_fail = True

    with pytest.raises(PipelineError, match="did not come into service"):
        cluster.deploy()
    deployed.cloud.clock.sleep(60)
    assert cluster.head_ids == []
    deployed.cloud.driver.boots_fail = False
    cluster.deploy()

    assert cluster.failed_checks() == []


def test_a_second_deploy_finds_nothing_to_change(single: Cluster) -> None:
    calls = single.cloud.clients.calls

    assert single.prepare().rollout.plan.is_empty
    assert single.cloud.clients.calls - calls < 25


def test_a_cluster_left_alone_stays_as_it_is(single: Cluster) -> None:
    lives, machines = len(single.cloud.rays.lives), set(single.cloud.driver.machines)

    single.cloud.clock.sleep(400)

    assert len(single.cloud.rays.lives) == lives
    assert set(single.cloud.driver.machines) == machines
    assert single.status().problems == ()


def test_a_standby_is_deployed_beside_the_leader(doubled: Cluster) -> None:
    assert len(doubled.head_ids) == 2
    assert doubled.failed_checks() == []


def test_a_standby_added_later_joins_a_running_cluster(single: Cluster) -> None:
    leader, life = single.leader(), single.life

    Cluster(single.cloud, single.environment.model_copy(update={"head": a_standby()})).deploy()

    assert len(single.head_ids) == 2
    assert (single.leader(), single.life) == (leader, life)


def a_standby() -> Head:
    """Return the settings of a head with a standby."""
    return Head(**STANDBY)


def test_a_destroy_removes_all_of_one_cluster_and_nothing_of_another(
    single: Cluster, doubled: Cluster
) -> None:
    single.destroy()

    assert single.cloud.rays.running(single.name) is None
    assert single.destroy() == ()
    tags = ec2_backend().tags
    ours = {key for key, found in tags.items() if found.get("raykiln:environment") == single.name}
    living = {i.id for i in ec2_backend().all_instances() if i.state != "terminated"}
    assert ours & (living | set(ec2_backend().vpcs) | set(ec2_backend().launch_templates)) == set()
    assert doubled.failed_checks() == []


def test_a_destroyed_cluster_can_be_deployed_again(single: Cluster) -> None:
    single.destroy()

    single.deploy()

    assert single.failed_checks() == []
