"""An autoscaler that fails: who notices, and that nothing says all is well."""

import pytest

from common.errors import PipelineError
from deploy.cluster.alarms import find_alarms
from tests.marks import THOROUGH_ONLY
from tests.unit.simulation.conftest import STANDBY, Cluster, Start, sized

ALARM = "autoscaler"


def alarm_state(cluster: Cluster) -> str:
    """Return the state of the autoscaler's alarm."""
    alarms = find_alarms(cluster.cloud.clients, cluster.environment)
    return next(one.state for one in alarms if one.name == f"raykiln-{cluster.name}-{ALARM}")


def lose_a_worker(cluster: Cluster) -> None:
    """Terminate one worker."""
    victim = min(cluster.worker_ids)
    cluster.cloud.clients("ec2").terminate_instances(InstanceIds=[victim])


def test_a_healthy_cluster_has_an_autoscaler_that_works(single: Cluster) -> None:
    single.cloud.clock.sleep(240)

    assert alarm_state(single) == "OK"
    assert single.status().autoscaler.startswith("working: newest round")
    (check,) = (one for one in single.checks() if one.name == "the autoscaler works")
    assert check.passed
    assert "rounds seen" in check.seen


def test_a_failing_autoscaler_is_noticed_by_alarm_status_and_verify_and_no_one_else(
    single: Cluster,
) -> None:
    leader, clock = single.leader(), single.cloud.clock
    clock.sleep(240)
    single.cloud.faults.broken_autoscalers.add(single.name)
    clock.until(lambda: alarm_state(single) == "ALARM", 360, "the alarm")

    report = single.status()
    assert any(one.startswith("the autoscaler is not working: no new") for one in report.problems)
    failed = [one.name for one in single.checks() if not one.passed]
    assert failed == ["no alarm is in ALARM", "the autoscaler works"]
    assert single.leader() is leader
    assert single.cloud.rays.worker_count(single.name) == 2

    lose_a_worker(single)
    clock.sleep(120)
    assert single.cloud.rays.worker_count(single.name) == 1

    single.cloud.faults.broken_autoscalers.clear()
    single.joined(2, within=120)
    clock.until(lambda: alarm_state(single) == "OK", 300, "the alarm is OK")
    assert single.status().is_healthy
    assert single.failed_checks() == []


def test_verify_notices_it_at_once_although_the_guard_does_not_yet(single: Cluster) -> None:
    single.cloud.clock.sleep(60)
    single.cloud.faults.broken_autoscalers.add(single.name)
    single.cloud.clock.sleep(15)
    assert single.status().autoscaler.startswith("working")

    (check,) = (one for one in single.checks() if one.name == "the autoscaler works")

    assert not check.passed
    assert "a new round of the autoscaler: not within 60 s" in check.seen


@THOROUGH_ONLY
def test_a_rollout_whose_autoscaler_is_dead_fails(doubled: Cluster) -> None:
    doubled.environment = sized(2, name="doubled", head=STANDBY | {"instance_type": "m6i.xlarge"})
    doubled.cloud.faults.broken_autoscalers.add(doubled.name)

    with pytest.raises(PipelineError, match="the autoscaler works"):
        doubled.deploy()


def test_a_launch_that_ec2_refuses_is_shown_with_its_reason(start: Start) -> None:
    cluster = start(workers=2)
    cluster.cloud.faults.short_of_workers.add(cluster.name)
    lose_a_worker(cluster)
    cluster.cloud.clock.sleep(60)

    report = cluster.status()

    assert report.autoscaler.startswith("working")
    (refused,) = report.refused
    assert refused["group"] == "worker"
    assert refused["why"].startswith("InsufficientInstanceCapacity: ")
    assert any(one.startswith("EC2 refuses to launch worker (") for one in report.problems)

    cluster.cloud.faults.short_of_workers.clear()
    cluster.joined(2, within=120)
    cluster.cloud.clock.sleep(15)
    assert cluster.status().refused == ()


@THOROUGH_ONLY
def test_a_wait_for_workers_says_what_ec2_refuses(start: Start, single: Cluster) -> None:
    single.cloud.faults.short_of_workers.add("fresh")

    with pytest.raises(
        PipelineError, match=r"; worker: m6i\.large: InsufficientInstanceCapacity, \d+ s ago"
    ):
        start(workers=2)


def test_a_new_leader_starts_with_a_clean_slate(doubled: Cluster) -> None:
    before = doubled.leader()
    doubled.cloud.faults.broken_autoscalers.add(doubled.name)
    doubled.cloud.clock.sleep(120)
    doubled.cloud.faults.broken_autoscalers.clear()

    doubled.cloud.crash(before.host.instance_id)
    doubled.leads_again(before, within=60)
    doubled.cloud.clock.sleep(30)

    assert doubled.status().autoscaler.startswith("working")
