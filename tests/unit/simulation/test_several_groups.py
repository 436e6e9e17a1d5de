"""Several groups of workers: added, changed, removed, renamed, and rolled back."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from common.errors import RolledBack
from common.progress import Silent
from deploy.cluster.instances import Instance
from tests.marks import THOROUGH_ONLY
from tests.simulation import head
from tests.unit.deploy.builders import an_environment
from tests.unit.simulation.conftest import Cluster, Deployed

WATCH: dict[str, Any] = {
    "rollout": {"drain_seconds": 60, "watch_seconds": 10},
    "limits": {
        "health_check_interval_seconds": 5,
        "workers_ready_seconds": 120,
        "hand_over_seconds": 60,
    },
    "images": {"cuda": {}},
}
CPU = {"instance_types": ["m6i.large"], "min": 2, "max": 4}
GPU = {"instance_types": ["g6.xlarge"], "min": 1, "max": 3, "image": "cuda"}


def asked(cluster: Cluster, **groups: dict[str, Any]) -> None:
    """Have the cluster's file ask for these groups."""
    cluster.environment = an_environment(name="mixed", workers=groups, **WATCH)


@pytest.fixture(scope="module")
def mixed(deployed: Deployed) -> Iterator[Cluster]:
    """A cluster of the groups cpu and gpu, deployed."""
    deployed.cloud.bake("worker", "cuda")
    cluster = Cluster(deployed.cloud, deployed.single.environment)
    asked(cluster, cpu=CPU, gpu=GPU)
    cluster.deploy()
    yield cluster
    cluster.destroy()


def workers(cluster: Cluster, group: str) -> tuple[Instance, ...]:
    return tuple(w for w in cluster.state().workers if w.group == group and w.is_there)


def ids(cluster: Cluster, group: str) -> set[str]:
    return {worker.id for worker in workers(cluster, group)}


def counts(cluster: Cluster) -> Counter[str]:
    return Counter(worker.group for worker in cluster.state().workers if worker.is_there)


def types(cluster: Cluster) -> set[str]:
    """Return the node types of the YAML that the leader's autoscaler uses."""
    cluster.cloud.clock.sleep(10)
    return set(cluster.life.config["available_node_types"])


def templates(cluster: Cluster) -> list[str]:
    return [template.name for template in cluster.state().worker_templates]


def settled(cluster: Cluster) -> None:
    """Fail unless nothing is left to do, and every check passes."""
    assert cluster.prepare().rollout.plan.is_empty
    assert cluster.failed_checks() == []


def test_each_group_is_launched_from_its_own_template_and_image(mixed: Cluster) -> None:
    state = mixed.state()

    assert counts(mixed) == {"cpu": 2, "gpu": 1}
    assert {w.type for w in workers(mixed, "gpu")} == {"g6.xlarge"}
    assert {w.node_type for w in workers(mixed, "gpu")} == {"gpu"}
    assert templates(mixed) == ["ray-worker-mixed.cpu", "ray-worker-mixed.gpu"]
    assert [t.group for t in state.worker_templates] == ["cpu", "gpu"]
    images = {group: {w.ami_id for w in workers(mixed, group)} for group in ("cpu", "gpu")}
    assert images["cpu"].isdisjoint(images["gpu"])
    settled(mixed)


def test_a_group_is_added_without_a_hand_over_and_without_touching_others(mixed: Cluster) -> None:
    leader, life, before = mixed.leader(), mixed.life, mixed.worker_ids
    asked(mixed, cpu=CPU, gpu=GPU, big=CPU | {"instance_types": ["m6i.4xlarge"], "min": 1})
    assert mixed.prepare().rollout.plan.strategy == "in place"

    mixed.deploy()

    assert (mixed.leader(), mixed.life) == (leader, life)
    assert mixed.worker_ids > before
    assert counts(mixed) == {"cpu": 2, "gpu": 1, "big": 1}
    settled(mixed)


def test_another_image_of_a_group_rolls_that_group_alone(mixed: Cluster) -> None:
    cpu, gpu = ids(mixed, "cpu"), ids(mixed, "gpu")
    mixed.cloud.bake("worker", "cuda")

    mixed.deploy()

    assert ids(mixed, "cpu") == cpu
    assert ids(mixed, "gpu").isdisjoint(gpu)
    settled(mixed)


def test_both_groups_are_rolled_and_each_keeps_its_own_minimum(mixed: Cluster) -> None:
    asked(mixed, cpu=CPU | {"min": 3}, gpu=GPU | {"min": 3})
    mixed.deploy()
    before, fewest = mixed.worker_ids, Counter(cpu=9, gpu=9)

    def look() -> None:
        alive = {raylet.machine.host.instance_id for raylet in mixed.life.nodes.values()}
        joined = Counter(
            worker.identity.node_type
            for instance_id, worker in mixed.cloud.nodes.workers.items()
            if instance_id in alive
        )
        for group in fewest:
            fewest[group] = min(fewest[group], joined[group])

    mixed.cloud.clock.every(1.0, look)
    mixed.cloud.bake("worker")
    mixed.cloud.bake("worker", "cuda")

    mixed.deploy()

    assert mixed.worker_ids.isdisjoint(before)
    assert fewest == {"cpu": 2, "gpu": 2}
    settled(mixed)


def test_a_removed_group_finishes_its_work_and_leaves_nothing_behind(mixed: Cluster) -> None:
    leader, life, cpu = mixed.leader(), mixed.life, ids(mixed, "cpu")
    (busy,) = ids(mixed, "gpu")
    mixed.cloud.occupy(busy, 40.0)
    ends, gone_at = mixed.cloud.clock.now() + 40, 0.0

    def look() -> None:
        nonlocal gone_at
        if not gone_at and busy not in mixed.worker_ids:
            gone_at = mixed.cloud.clock.now()

    mixed.cloud.clock.every(1.0, look)
    asked(mixed, cpu=CPU)

    mixed.deploy()

    assert gone_at > ends
    assert counts(mixed) == {"cpu": 2}
    assert ids(mixed, "cpu") == cpu
    assert (mixed.leader(), mixed.life) == (leader, life)
    assert types(mixed) == {"head", "cpu"}
    assert templates(mixed) == ["ray-worker-mixed.cpu"]
    settled(mixed)


class StatusAtDrain(Silent):
    """Looks at the cluster when a rollout begins to drain."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def begin(self, title: str) -> None:
        """See common.progress.Progress."""
        if title.startswith("drain"):
            self.report = self._cluster.status()


def test_status_shows_a_group_while_it_is_drained(mixed: Cluster) -> None:
    asked(mixed, cpu=CPU)
    operation, progress = mixed.operation(), StatusAtDrain(mixed)
    operation.progress = progress

    operation.run(mixed.prepare())

    assert [group.row["running"] for group in progress.report.groups] == [
        "2 of 2 to 4",
        "1 removed",
    ]
    assert progress.report.problems == ()
    assert [group.name for group in mixed.status().groups] == ["cpu"]


@THOROUGH_ONLY
def test_work_that_outlasts_the_drain_does_not_keep_a_removed_group(mixed: Cluster) -> None:
    mixed.cloud.occupy(min(ids(mixed, "gpu")))
    asked(mixed, cpu=CPU)

    mixed.deploy()

    assert counts(mixed) == {"cpu": 2}
    settled(mixed)


def test_work_for_a_group_that_is_removed_launches_none_of_it(mixed: Cluster) -> None:
    mixed.cloud.autoscalers["mixed"].demand["gpu"] = 3
    mixed.cloud.clock.sleep(20)
    asked(mixed, cpu=CPU)

    mixed.deploy()

    assert counts(mixed) == {"cpu": 2}
    assert types(mixed) == {"head", "cpu"}
    settled(mixed)


@THOROUGH_ONLY
def test_a_launch_that_was_under_way_when_its_group_was_removed_is_waited_for(
    mixed: Cluster,
) -> None:
    (before,) = workers(mixed, "gpu")
    config = dict(mixed.life.config["available_node_types"]["gpu"]["node_config"])
    tags = {"ray-cluster-name": "mixed", "ray-node-type": "worker", "ray-user-node-type": "gpu"}
    launched: list[str] = []

    def launch() -> None:
        """Launch a worker when the one before it is gone: its request took that long."""
        if launched or before.id in mixed.worker_ids:
            return
        answer = mixed.cloud.clients("ec2").run_instances(
            MinCount=1,
            MaxCount=1,
            LaunchTemplate=config["LaunchTemplate"],
            InstanceType=before.type,
            SubnetId=config["SubnetIds"][0],
            TagSpecifications=[
                {
                    "ResourceType": "instance",
                    "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                }
            ],
        )
        launched.append(answer["Instances"][0]["InstanceId"])

    mixed.cloud.clock.every(1.0, launch)
    asked(mixed, cpu=CPU)

    mixed.deploy()

    assert len(launched) == 1
    assert counts(mixed) == {"cpu": 2}
    settled(mixed)


def test_a_group_is_renamed(mixed: Cluster) -> None:
    before = ids(mixed, "gpu")
    asked(mixed, cpu=CPU, cuda=GPU)

    mixed.deploy()

    assert counts(mixed) == {"cpu": 2, "cuda": 1}
    assert ids(mixed, "cuda").isdisjoint(before)
    assert types(mixed) == {"head", "cpu", "cuda"}
    settled(mixed)


@THOROUGH_ONLY
def test_the_last_group_of_several_is_changed_to_one_without_a_name(mixed: Cluster) -> None:
    mixed.environment = an_environment(
        name="mixed", workers={"instance_type": "m6i.large", "min": 2, "max": 4}, **WATCH
    )

    mixed.deploy()

    assert counts(mixed) == {"worker": 2}
    assert templates(mixed) == ["ray-worker-mixed"]
    settled(mixed)


def test_a_rollback_restores_a_removed_group(mixed: Cluster) -> None:
    before = mixed.state().release
    asked(mixed, cpu=CPU)
    mixed.deploy()

    mixed.rollback()

    assert mixed.state().release == before
    assert counts(mixed) == {"cpu": 2, "gpu": 1}
    assert types(mixed) == {"head", "cpu", "gpu"}
    assert mixed.prepare(release=before).rollout.plan.is_empty
    assert mixed.failed_checks() == []


def test_a_rollback_drains_an_added_group(mixed: Cluster) -> None:
    before = mixed.state().release
    asked(mixed, cpu=CPU, gpu=GPU, big=CPU)
    mixed.deploy()
    mixed.cloud.autoscalers["mixed"].demand["big"] = 3
    mixed.joined(6, within=120)

    mixed.rollback()

    assert counts(mixed) == {"cpu": 2, "gpu": 1}
    assert types(mixed) == {"head", "cpu", "gpu"}
    assert templates(mixed) == ["ray-worker-mixed.cpu", "ray-worker-mixed.gpu"]
    assert mixed.prepare(release=before).rollout.plan.is_empty


def test_an_added_group_that_cannot_join_is_rolled_back_and_gone(mixed: Cluster) -> None:
    before, others = mixed.state().release, mixed.worker_ids
    with_big = {"cpu": CPU, "gpu": GPU, "big": CPU | {"image": "broken"}}
    mixed.environment = an_environment(
        name="mixed", workers=with_big, **WATCH | {"images": {"cuda": {}, "broken": {}}}
    )
    mixed.cloud.faults.stranded.add(mixed.cloud.bake("worker", "broken"))

    with pytest.raises(RolledBack, match="big: 0 of 2 alive"):
        mixed.deploy()

    assert counts(mixed) == {"cpu": 2, "gpu": 1}
    assert mixed.worker_ids == others
    assert templates(mixed) == ["ray-worker-mixed.cpu", "ray-worker-mixed.gpu"]
    assert mixed.prepare(release=before).rollout.plan.is_empty
    assert types(mixed) == {"head", "cpu", "gpu"}


@THOROUGH_ONLY
def test_an_added_group_that_a_head_refuses_is_rolled_back_and_gone(
    mixed: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistakes(config: dict[str, Any], ray_version: str) -> tuple[str, ...]:
        big = config["available_node_types"].get("big", {})
        return ("big: the test says so",) if big.get("node_config") else ()

    monkeypatch.setattr(head, "mistakes", mistakes)
    before, others = mixed.state().release, mixed.worker_ids
    asked(mixed, cpu=CPU, gpu=GPU, big=CPU | {"min": 0})

    with pytest.raises(RolledBack, match="big: the test says so"):
        mixed.deploy()

    assert mixed.worker_ids == others
    assert types(mixed) == {"head", "cpu", "gpu"}
    assert templates(mixed) == ["ray-worker-mixed.cpu", "ray-worker-mixed.gpu"]
    assert mixed.prepare(release=before).rollout.plan.is_empty


def test_an_alarm_after_a_group_was_removed_restores_it(mixed: Cluster) -> None:
    before = mixed.state().release
    cloudwatch = mixed.cloud.clients("cloudwatch")

    def ring() -> None:
        if "gpu" not in mixed.life.config["available_node_types"]:
            cloudwatch.set_alarm_state(
                AlarmName="raykiln-mixed-no-leader", StateValue="ALARM", StateReason="a test"
            )

    mixed.cloud.clock.every(1.0, ring)
    asked(mixed, cpu=CPU)

    with pytest.raises(RolledBack):
        mixed.deploy()

    assert mixed.state().release == before
    assert counts(mixed) == {"cpu": 2, "gpu": 1}


@THOROUGH_ONLY
def test_a_group_is_removed_while_another_head_takes_over(mixed: Cluster) -> None:
    leader, cpu = mixed.leader(), ids(mixed, "cpu")
    mixed.cloud.bake("head")
    asked(mixed, cpu=CPU)
    assert mixed.prepare().rollout.plan.strategy == "hand-over"

    mixed.deploy()

    assert mixed.leader() is not leader
    assert ids(mixed, "cpu") == cpu
    assert counts(mixed) == {"cpu": 2}
    assert types(mixed) == {"head", "cpu"}
    settled(mixed)


@THOROUGH_ONLY
def test_a_group_is_removed_with_another_ray(mixed: Cluster) -> None:
    for role in ("head", "worker"):
        mixed.cloud.bake(role, ray_version="2.61.0")
    asked(mixed, cpu=CPU)
    assert mixed.prepare().rollout.plan.strategy == "replace-all"

    mixed.deploy()

    assert counts(mixed) == {"cpu": 2}
    assert types(mixed) == {"head", "cpu"}
    settled(mixed)


@THOROUGH_ONLY
def test_a_release_from_before_groups_is_served_again(mixed: Cluster) -> None:
    release = mixed.prepare().rollout.desired.release
    cpu, _ = release.settings.groups
    group = replace(cpu, name="worker")
    old = replace(release, settings=replace(release.settings, groups=(group,), before_groups=True))

    mixed.deploy(old, "rollback")

    assert counts(mixed) == {"worker": 2}
    assert mixed.prepare(release=old).rollout.plan.is_empty
    assert mixed.failed_checks() == []
    mixed.deploy()
    assert counts(mixed) == {"cpu": 2, "gpu": 1}
    settled(mixed)


def test_a_group_stays_in_its_zones(mixed: Cluster) -> None:
    cpu = ids(mixed, "cpu")
    asked(mixed, cpu=CPU, gpu=GPU | {"min": 3, "zones": ["us-east-1b"]})

    mixed.deploy()

    assert ids(mixed, "cpu") == cpu
    assert Counter(w.zone for w in workers(mixed, "gpu")) == {"us-east-1b": 3}
    settled(mixed)


def test_a_destroy_deletes_every_template(mixed: Cluster) -> None:
    mixed.destroy()

    assert templates(mixed) == []
    assert mixed.state().instances == ()


@THOROUGH_ONLY
def test_names_at_their_limits_are_deployed(deployed: Deployed) -> None:
    deployed.cloud.clients("s3").create_bucket(Bucket="lake")
    access = {"s3_read": ["lake/*"], "egress": ["tcp/5432 to 10.0.0.0/8"]}
    placed = {"placement": "cluster", "zones": ["us-east-1a"]}
    promises = {"labels": {"a" * 63: "b" * 63}, "resources": {"r" * 100: 10**14}}
    groups = {"g" + "-" * 19 + "g": GPU | access | placed, "g" * 21: CPU | access | promises}
    deployed.cloud.bake("worker", "cuda")
    cluster = Cluster(deployed.cloud, an_environment(name="e" * 21, workers=groups, **WATCH))

    cluster.deploy()

    assert counts(cluster) == {"g" + "-" * 19 + "g": 1, "g" * 21: 2}
    settled(cluster)
    cluster.destroy()
    assert cluster.state().instances == ()
