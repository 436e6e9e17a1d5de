"""A cluster is paused and resumed: what goes, what stays, who says so, and who dies on the way."""

import re

import pytest

from common.errors import Refused
from common.progress import Silent
from deploy.cluster.alarms import find_alarms
from deploy.cluster.billed import find_billed
from deploy.cluster.heads import find_heads
from deploy.cluster.ray_access import open_road
from deploy.operate.cost import running_cost
from deploy.operate.pause import Pause, plan_pause, served_release
from deploy.rollout.lock import deploy_lock
from tests.unit.simulation.conftest import Cluster

QUIET = 300.0  # longer than an alarm takes
ALARMS = 5  # one more with a standby


def pause(cluster: Cluster) -> None:
    """Pause, as with --yes."""
    cloud = cluster.cloud
    Pause(cloud.clients, cluster.environment, cloud.clock, Silent()).run()


def resume(cluster: Cluster) -> None:
    """Resume, as with --yes."""
    release = served_release(cluster.state(), cluster.environment)
    cluster.deploy(release, "resume", resumes=True)


def instances(cluster: Cluster) -> list[str]:
    return [i.id for i in cluster.state().instances]


def notifying(cluster: Cluster) -> list[bool]:
    """Say of each alarm whether it notifies anyone."""
    clients, prefix = cluster.cloud.clients, f"raykiln-{cluster.name}-"
    found = clients("cloudwatch").describe_alarms(AlarmNamePrefix=prefix)
    return [alarm["ActionsEnabled"] for alarm in found["MetricAlarms"]]


def costs(cluster: Cluster) -> dict[str, str]:
    """Return what costs something, and how much of it there is."""
    clients, state = cluster.cloud.clients, cluster.state()
    billed = find_billed(clients, cluster.environment, state.instances)
    found = running_cost(cluster.environment, state, billed)
    return {what: runs for what, runs, *_ in found.rows}


def test_a_pause_leaves_no_instance_and_none_comes_back(doubled: Cluster) -> None:
    pause(doubled)

    assert instances(doubled) == []
    doubled.cloud.clock.sleep(QUIET)
    assert instances(doubled) == []


def test_a_pause_keeps_what_a_cluster_is_known_by(single: Cluster) -> None:
    before = single.state()
    pause(single)
    after = single.state()

    assert before.foundation
    assert after.foundation
    assert after.foundation.load_balancer_dns_name == before.foundation.load_balancer_dns_name
    assert after.release == before.release
    assert after.secret == before.secret
    assert after.head_template == before.head_template
    assert after.worker_templates == before.worker_templates


def test_a_resumed_cluster_passes_the_acceptance_list(doubled: Cluster) -> None:
    release, epoch = doubled.state().release, doubled.state().lease
    pause(doubled)
    resume(doubled)
    state = doubled.state()

    assert state.release == release
    assert len(state.heads) == 2
    assert len(state.workers) == 2
    assert state.group
    assert (state.group.settings.min_size, state.group.settings.max_size) == (2, 4)
    assert state.lease
    assert epoch
    assert state.lease.epoch > epoch.epoch
    assert state.foundation
    assert not state.foundation.is_paused
    assert notifying(doubled) == [True] * (ALARMS + 1)
    assert doubled.failed_checks() == []
    assert doubled.prepare().rollout.plan.is_empty


def test_status_says_paused_and_finds_no_problem(single: Cluster) -> None:
    pause(single)
    report = single.status()

    assert report.paused
    assert report.is_healthy
    health = [row[1] for row in report.sections()[0].rows if row[0] == "health"]
    assert health == ["paused; `invoke resume --env dev` starts it again"]
    assert report.as_json()["paused"] is True


def test_status_names_an_instance_that_runs_in_spite_of_a_pause(single: Cluster) -> None:
    pause(single)
    single.cloud.clients("autoscaling").update_auto_scaling_group(
        AutoScalingGroupName=single.environment.head_group, DesiredCapacity=1
    )
    single.cloud.clock.sleep(60)

    (problem,) = [words for words in single.status().problems if " head " in words]
    assert re.fullmatch(r"paused, but head i-[0-9a-f]+ is (pending|running)", problem)


def test_alarms_of_a_paused_cluster_notify_no_one(single: Cluster) -> None:
    assert notifying(single) == [True] * ALARMS
    pause(single)
    single.cloud.clock.sleep(QUIET)

    assert notifying(single) == [False] * ALARMS
    assert "ALARM" in {one.state for one in find_alarms(single.cloud.clients, single.environment)}
    assert single.status().is_healthy


def test_a_paused_cluster_is_not_deployed_to(single: Cluster) -> None:
    pause(single)
    single.cloud.bake("head")

    with pytest.raises(Refused, match="dev is paused") as raised:
        single.prepare()
    assert raised.value.hint == "invoke resume --env dev"


def test_a_pause_waits_for_no_deploy_that_is_under_way(single: Cluster) -> None:
    cloud, before = single.cloud, instances(single)

    with deploy_lock(cloud.clients, single.environment, "deploy of a1", clock=cloud.clock) as kept:
        cloud.clock.every(4.0, kept.now)
        with pytest.raises(Refused, match="deploy of a1"):
            pause(single)

    assert instances(single) == before


def test_a_pause_ends_what_instances_and_their_volumes_cost(single: Cluster) -> None:
    before = costs(single)
    pause(single)
    after = costs(single)

    assert before["heads"] == "1 m6i.large"
    assert before["group worker"] == "2 m6i.large"
    assert before["volumes"].startswith("3, ")
    assert after == {name: before[name] for name in ("load balancer", "VPC endpoints", "total")} | {
        "total": "paused"
    }


def test_a_second_pause_has_nothing_to_do(single: Cluster) -> None:
    pause(single)

    assert plan_pause(single.state(), single.environment).is_empty


def test_a_cluster_without_a_leader_can_be_paused(single: Cluster) -> None:
    single.cloud.faults.broken_images.add(single.leader().host.ami_id)
    leader = single.leader().host.instance_id
    single.cloud.clients("ec2").terminate_instances(InstanceIds=[leader])
    single.cloud.clock.sleep(60)

    pause(single)

    assert instances(single) == []


def test_what_needs_a_leader_says_that_the_cluster_is_paused(single: Cluster) -> None:
    pause(single)
    clients, environment = single.cloud.clients, single.environment

    with pytest.raises(Refused, match="dev is paused"):
        find_heads(clients, environment).require_leader()
    with pytest.raises(Refused, match="dev is paused"):
        open_road(clients, environment)


def test_subscribers_of_the_alarms_are_told_of_a_pause(single: Cluster) -> None:
    sent: list[str] = []
    sns = single.cloud.clients("sns")
    sns.meta.events.register(
        "before-parameter-build.sns.Publish", lambda params, **_: sent.append(params["Subject"])
    )
    pause(single)

    assert sent == ["dev is paused"]


def test_a_paused_cluster_can_be_destroyed(single: Cluster) -> None:
    pause(single)
    single.destroy()

    assert single.state().stack_status == ""
