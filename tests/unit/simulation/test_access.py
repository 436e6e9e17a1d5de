"""What groups have of their own: given, changed, taken away, and rolled back."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.marks import THOROUGH_ONLY
from tests.unit.deploy.builders import an_environment
from tests.unit.simulation.conftest import Cluster, Deployed, sized

WATCH: dict[str, Any] = {"rollout": {"drain_seconds": 10, "watch_seconds": 10}}
CPU = {"instance_types": ["m6i.large"], "min": 1, "max": 4}
GPU = CPU | {"s3_read": ["lake/training/*"], "egress": ["tcp/5432 to 10.0.0.0/8"]}
NODES_STACK = "raykiln-reaching-nodes"


def changed(cluster: Cluster, head: dict[str, Any] | None = None, **workers: Any) -> None:
    tables = {"head": {"instance_type": "m6i.large"} | (head or {}), "workers": workers}
    cluster.environment = an_environment(name=cluster.name, **tables, **WATCH)


@pytest.fixture(scope="module")
def reaching(deployed: Deployed) -> Iterator[Cluster]:
    """A cluster whose groups are cpu, without access, and gpu, with some."""
    cluster = Cluster(deployed.cloud, sized(1, name="reaching", **WATCH))
    cluster.deploy()
    cluster.cloud.clients("s3").create_bucket(Bucket="lake")
    changed(cluster, cpu=CPU, gpu=GPU)
    cluster.deploy()
    yield cluster
    cluster.destroy()


def the_access(cluster: Cluster) -> dict[str, set[tuple[str, int]]]:
    """Return, by group, the workers' roles, in short, and how many security groups each has."""
    found: dict[str, set[tuple[str, int]]] = {}
    answer = cluster.cloud.clients("ec2").describe_instances(
        InstanceIds=[worker.id for worker in cluster.state().workers if worker.is_there]
    )
    groups = {worker.id: worker.group for worker in cluster.state().workers}
    for one in (one for all_ in answer["Reservations"] for one in all_["Instances"]):
        profile = one["IamInstanceProfile"]["Arn"].rpartition("/")[2].rpartition("-")[0]
        access = (profile.rpartition("-")[2], len(one["SecurityGroups"]))
        found.setdefault(groups[one["InstanceId"]], set()).add(access)
    return found


def the_stack(cluster: Cluster) -> str:
    return cluster.state().nodes_status


def kinds(cluster: Cluster) -> list[str]:
    return [step.kind for step in cluster.prepare().rollout.plan.steps]


def test_each_group_has_what_its_settings_say(reaching: Cluster) -> None:
    assert the_access(reaching) == {
        "cpu": {("WorkerInstanceProfile", 1)},
        "gpu": {("gpuProfile", 2)},
    }
    assert the_stack(reaching) == "CREATE_COMPLETE"
    assert reaching.prepare().rollout.plan.is_empty
    assert reaching.failed_checks() == []


def test_a_first_deploy_may_have_it(deployed: Deployed) -> None:
    cluster = Cluster(deployed.cloud, an_environment(name="first"))
    cluster.cloud.clients("s3").create_bucket(Bucket="lake")
    changed(cluster, gpu=GPU)

    assert kinds(cluster)[:3] == ["secret", "foundation", "widen-nodes"]
    cluster.deploy()

    assert the_access(cluster) == {"gpu": {("gpuProfile", 2)}}
    assert cluster.prepare().rollout.plan.is_empty


def test_a_plan_names_each_change_and_another_group_leaves_the_rest_alone(
    reaching: Cluster,
) -> None:
    before = reaching.worker_ids
    placed = {"placement": "cluster", "zones": ["us-east-1a"], "min": 0}
    changed(reaching, cpu=CPU, gpu=GPU, mpi=CPU | placed)

    plan = reaching.prepare().rollout.plan

    assert plan.strategy == "in place"
    assert f"~ stack {NODES_STACK}: " in plan.words[0]
    assert "add mpiPlacementGroup (EC2::PlacementGroup)" in plan.words[0]
    assert "change headPolicy (IAM::ManagedPolicy)" in plan.words[0]
    reaching.deploy()
    assert reaching.worker_ids == before
    assert reaching.prepare().rollout.plan.is_empty


def test_what_a_group_gives_up_goes_when_its_workers_are_replaced_and_comes_back(
    reaching: Cluster,
) -> None:
    changed(reaching, cpu=CPU, gpu=CPU)

    steps = kinds(reaching)
    assert "widen-nodes" not in steps
    assert steps[-1] == "narrow-nodes"
    reaching.deploy()
    assert the_access(reaching)["gpu"] == {("WorkerInstanceProfile", 1)}
    assert the_stack(reaching) == ""

    reaching.rollback()
    assert the_access(reaching)["gpu"] == {("gpuProfile", 2)}
    assert the_stack(reaching) == "CREATE_COMPLETE"
    assert reaching.failed_checks() == []


@THOROUGH_ONLY
def test_a_removed_group_keeps_what_it_has_until_it_is_drained(reaching: Cluster) -> None:
    changed(reaching, cpu=CPU)

    steps = kinds(reaching)
    assert steps.index("drain-workers") < steps.index("narrow-nodes")
    reaching.deploy()

    assert the_stack(reaching) == ""
    assert reaching.prepare().rollout.plan.is_empty


def test_heads_get_their_own_access_by_a_hand_over(reaching: Cluster) -> None:
    head = {"egress": ["udp/123 to 10.0.0.0/8"], "s3_write": ["lake/results/*"]}
    changed(reaching, head, cpu=CPU, gpu=GPU)

    assert kinds(reaching)[0] == "widen-nodes"
    assert reaching.prepare().rollout.plan.strategy == "hand-over"
    reaching.deploy()

    (leader,) = [one.id for one in reaching.state().heads]
    found = reaching.cloud.clients("ec2").describe_instances(InstanceIds=[leader])
    assert len(found["Reservations"][0]["Instances"][0]["SecurityGroups"]) == 2
    assert reaching.prepare().rollout.plan.is_empty


def test_a_destroy_deletes_what_nodes_have_before_the_foundation(reaching: Cluster) -> None:
    done = reaching.destroy()

    words = [one.words for one in done]
    assert words[-2:] == [f"stack {NODES_STACK}", "stack raykiln-reaching"]
    assert reaching.cloud.clients("iam").list_roles(PathPrefix="/raykiln/")["Roles"] == []
