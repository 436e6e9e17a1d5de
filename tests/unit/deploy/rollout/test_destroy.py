"""Destroy: leaves nothing of a cluster, even if killed, and everything of others."""

import contextlib
import json
from dataclasses import dataclass, field, replace

import pytest

from common.errors import PipelineError, Refused
from common.progress import Silent
from deploy.cluster.state import ClusterState
from deploy.plan.destroy_plan import DeleteSecret, plan_destroy
from deploy.rollout.lock import deploy_lock, find_lock
from tests.unit.deploy.builders import (
    a_desired_state,
    a_group,
    a_release,
    an_environment,
    serving,
)
from tests.unit.deploy.conftest import Cluster, Killed

pytestmark = pytest.mark.slow

BUCKET = "the-company-s-bucket"


@dataclass
class SeesTheLock(Silent):
    """Remembers after each step what the deploy lock is held for."""

    cluster: Cluster
    seen: list[str] = field(default_factory=list)

    def end(self, outcome: str) -> None:
        lock = find_lock(self.cluster.clients, self.cluster.environment)
        self.seen.append(lock.purpose if lock else "none")


def nothing_is_left(cluster: Cluster) -> bool:
    """Look without tag filters too, so that nothing is missed."""
    aws = cluster.clients
    instances = aws("ec2").describe_instances(
        Filters=[{"Name": "instance-state-name", "Values": ["pending", "running", "stopped"]}]
    )
    buckets = {bucket["Name"] for bucket in aws("s3").list_buckets()["Buckets"]}
    return (
        cluster.state() == ClusterState()
        and instances["Reservations"] == []
        and aws("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"] == []
        and aws("ec2").describe_launch_templates()["LaunchTemplates"] == []
        and aws("ssm").describe_parameters()["Parameters"] == []
        and aws("dynamodb").list_tables()["TableNames"] == []
        and buckets <= {BUCKET}
    )


def test_destroy_leaves_nothing_and_a_second_one_has_nothing_to_do(cluster: Cluster) -> None:
    cluster.deploy()

    cluster.destroy()

    assert nothing_is_left(cluster)
    assert cluster.destroy() == ()


def test_a_destroy_killed_after_any_number_of_requests_is_finished_by_the_next(
    cluster: Cluster,
) -> None:
    cluster.deploy()

    for allowed in range(1, 200, 4):
        ready = cluster.prepare_destroy()
        if ready.plan.is_empty:
            break
        with contextlib.suppress(Killed), cluster.dies_after(allowed):
            ready.run(Silent())

    assert nothing_is_left(cluster)


def test_the_lock_is_held_and_deleted_with_its_table(cluster: Cluster) -> None:
    cluster.deploy()
    progress = SeesTheLock(cluster)

    cluster.prepare_destroy().run_locked(progress)

    assert progress.seen[0].startswith("destroy of dev")
    assert progress.seen[-1] == "none"
    assert nothing_is_left(cluster)
    assert cluster.prepare_destroy().run_locked(Silent()) == ()


def test_deletes_nothing_while_another_deployer_holds_the_lock(cluster: Cluster) -> None:
    cluster.deploy()
    destroy = cluster.prepare_destroy()

    with deploy_lock(cluster.clients, cluster.environment, "another", clock=cluster.clock) as held:

        def works() -> None:
            held.now()

        cluster.clock.listeners.append(works)
        with pytest.raises(Refused, match="another deployer is changing dev"):
            destroy.run_locked(Silent())
        cluster.clock.listeners.remove(works)

    assert cluster.state().leader is not None


def test_deletes_what_a_failed_deploy_left(cluster: Cluster) -> None:
    cluster.nodes.heads_give_up = True
    with pytest.raises(PipelineError):
        cluster.deploy()

    cluster.destroy()

    assert nothing_is_left(cluster)


def test_a_head_in_its_lifecycle_hook_does_not_block_a_destroy(cluster: Cluster) -> None:
    cluster.nodes.heads_hang = True
    with contextlib.suppress(Killed), cluster.dies_after(90):
        cluster.deploy()
    assert [head.state for head in cluster.state().heads] == ["running"]

    cluster.destroy()

    assert nothing_is_left(cluster)


def test_a_given_bucket_keeps_what_is_not_ours(cluster: Cluster) -> None:
    s3 = cluster.clients("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="others/file", Body=b"keep")
    cluster.environment = an_environment(existing_bucket=True, names={"bucket": BUCKET})
    cluster.deploy()

    cluster.destroy()

    assert [o["Key"] for o in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == ["others/file"]
    assert nothing_is_left(cluster)


def test_instances_of_another_environment_stay(cluster: Cluster) -> None:
    cluster.deploy()
    ec2 = cluster.clients("ec2")
    image = cluster.prepare().rollout.desired.release.settings.groups[0].image.ami_id
    tags = [
        {"Key": "raykiln:environment", "Value": "other"},
        {"Key": "raykiln:role", "Value": "worker"},
    ]
    other = ec2.run_instances(
        MinCount=1,
        MaxCount=1,
        ImageId=image,
        InstanceType="m6i.large",
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )["Instances"][0]["InstanceId"]

    cluster.destroy()

    found = ec2.describe_instances(InstanceIds=[other])["Reservations"][0]["Instances"][0]
    assert found["State"]["Name"] == "running"


def test_deletes_the_heads_first_and_the_stack_last() -> None:
    kinds = [step.kind for step in plan_destroy(an_environment(), serving(a_desired_state())).steps]

    assert kinds == [
        "group",
        "instances",
        "delete-template",
        "delete-template",
        "secret",
        "bucket",
        "foundation",
    ]


@pytest.mark.parametrize(
    ("given", "deleted"),
    [
        ({"redis_node_type": "cache.t4g.small"}, ["redis_password", "state_password"]),
        ({"redis": "state.example.com:6379"}, ["redis_password"]),
    ],
)
def test_the_password_of_a_redis_goes_unless_the_redis_stays(
    given: dict[str, str], deleted: list[str]
) -> None:
    desired = a_desired_state(head={"instance_type": "m6i.large", "state": "redis", **given})

    steps = plan_destroy(desired.environment, serving(desired)).steps

    names = [step.name for step in steps if isinstance(step, DeleteSecret)]
    assert names == [f"/ray/dev/{name}" for name in deleted]


def test_the_plan_names_what_stays() -> None:
    environment = an_environment(dns={"zone": "ray.internal", "zone_id": "Z1"})

    words = plan_destroy(environment, serving(a_desired_state())).words

    assert words[-1] == "- stack raykiln-dev: zone Z1 stay"


def deploy_documents(cluster: Cluster) -> None:
    """Create a stack that is the documents' in what a cluster looks at."""
    queue = {"Type": "AWS::SQS::Queue", "Properties": {}}
    template = {"Parameters": {"GroupRoleName": {"Type": "String"}}, "Resources": {"Q": queue}}
    cluster.clients("cloudformation").create_stack(
        StackName="ray-documents-dev",
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": "GroupRoleName", "ParameterValue": "role"}],
    )


def test_a_cluster_that_documents_run_on_is_not_destroyed(cluster: Cluster) -> None:
    deploy_documents(cluster)

    with pytest.raises(Refused, match="the documents of dev run on its cluster") as refused:
        cluster.prepare_destroy()

    assert "invoke documents.destroy --env dev" in refused.value.hint


def test_a_group_that_documents_run_in_is_removed_only_after_them(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = a_group(name="documents", runs_documents=True)
    served = replace(cluster.state(), release=a_release(groups=(group,)))
    monkeypatch.setattr("deploy.rollout.prepare.read_state", lambda *given: served)
    cluster.prepare()
    deploy_documents(cluster)

    with pytest.raises(Refused, match="the documents of dev run on its cluster"):
        cluster.prepare()
