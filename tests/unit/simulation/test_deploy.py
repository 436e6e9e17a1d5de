"""A deploy from nothing to a running cluster, on nodes that run the real node code."""

from deploy.prepare import read_status
from localcloud.account import ec2_backend
from tests.unit.simulation.conftest import Cluster, Start, sized


def test_a_deploy_from_nothing_ends_with_every_check_passed(start: Start) -> None:
    cluster = start(workers=2)

    assert cluster.failed_checks() == []
    assert cluster.cloud.rays.worker_count("dev") == 2


def test_a_second_deploy_finds_nothing_to_change(start: Start) -> None:
    cluster = start()
    calls = cluster.cloud.clients.calls

    assert cluster.prepare().rollout.plan.is_empty
    assert cluster.cloud.clients.calls - calls < 25


def test_a_cluster_left_alone_stays_as_it_is(start: Start) -> None:
    cluster = start()
    lives, nodes = len(cluster.cloud.rays.lives), set(cluster.cloud.driver.machines)

    cluster.cloud.clock.sleep(600)

    assert len(cluster.cloud.rays.lives) == lives
    assert set(cluster.cloud.driver.machines) == nodes
    assert read_status(cluster.environment, cluster.cloud.clients).problems == ()


def test_a_standby_is_deployed_beside_the_leader(start: Start) -> None:
    cluster = start(head={"instance_type": "m6i.large", "standby": 1})

    assert len(cluster.cloud.heads()) == 2
    assert cluster.failed_checks() == []


def test_a_destroy_leaves_no_machine_and_nothing_to_plan(start: Start) -> None:
    cluster = start()

    cluster.destroy()

    assert cluster.cloud.driver.machines == {}
    assert cluster.cloud.rays.running("dev") is None
    assert cluster.destroy() == ()
    tagged = [key for key, tags in ec2_backend().tags.items() if "raykiln:environment" in tags]
    living = [i.id for i in ec2_backend().all_instances() if i.state != "terminated"]
    assert set(tagged) & set(living) == set()


def test_a_destroyed_cluster_can_be_deployed_again(start: Start) -> None:
    cluster = start()
    cluster.destroy()

    cluster.deploy()

    assert cluster.failed_checks() == []


def test_two_environments_live_side_by_side(start: Start) -> None:
    first = start(workers=1)
    second = Cluster(first.cloud, sized(1, name="other"))

    second.deploy()
    first.leader()
    first.destroy()

    assert first.cloud.rays.running("dev") is None
    assert second.failed_checks() == []
