"""Deploys from start to end on fake machines: complete, repeated, killed, failed."""

import contextlib
import json
from dataclasses import dataclass, field

import pytest

from common.environment import Environment
from common.errors import PipelineError, Refused
from common.progress import Silent
from deploy.cluster.state import ClusterState
from localcloud.driver import Answer
from localcloud.patches import shortages
from tests.unit.deploy.builders import an_environment
from tests.unit.deploy.conftest import Cluster, Killed, bake

pytestmark = pytest.mark.slow


@dataclass
class DiesAfter(Silent):
    """Kills the rollout when step number ``steps`` is done."""

    steps: int
    done: int = 0

    def end(self, outcome: str) -> None:
        self.done += 1
        if self.done == self.steps:
            raise Killed


@dataclass
class Remembers(Silent):
    """Keeps what it was told."""

    said: list[str] = field(default_factory=list)

    def say(self, words: str) -> None:
        self.said.append(words)


def is_whole(state: ClusterState) -> bool:
    return (
        state.leader is not None
        and state.is_reachable
        and len(state.workers) == 1
        and state.release is not None
    )


def test_a_plan_changes_nothing(cluster: Cluster) -> None:
    assert not cluster.prepare().rollout.plan.is_empty

    assert cluster.state() == ClusterState()


def test_a_deploy_killed_after_each_step_in_turn_is_finished_by_the_next(
    cluster: Cluster,
) -> None:
    steps = len(cluster.prepare().rollout.plan.steps)
    for _ in range(steps):
        plan = cluster.prepare().rollout.plan
        if plan.is_empty:
            break
        # Waiting steps are planned again until the deploy is done: die after the first that acts.
        acting = next((n for n, s in enumerate(plan.steps, start=1) if s.sign != "…"), 1)
        with pytest.raises(Killed):
            cluster.deploy(DiesAfter(acting))

    assert cluster.prepare().rollout.plan.is_empty
    assert is_whole(cluster.state())


def test_a_deploy_killed_after_any_number_of_requests_is_finished_by_the_next(
    cluster: Cluster,
) -> None:
    for allowed in range(1, 200, 7):
        rollout = cluster.prepare().rollout
        if rollout.plan.is_empty:
            break
        with contextlib.suppress(Killed), cluster.dies_after(allowed):
            rollout.run(Silent())

    assert cluster.prepare().rollout.plan.is_empty
    assert is_whole(cluster.state())
    assert len(cluster.state().heads) == 1
    state = cluster.state()
    assert state.head_template is not None
    assert [version.number for version in state.head_template.versions] == [1]


def test_a_standby_is_added_in_place(cluster: Cluster) -> None:
    cluster.deploy()
    leader = cluster.state().leader
    cluster.environment = with_standby(cluster.environment)

    cluster.deploy()

    assert len(cluster.state().heads) == 2
    assert cluster.state().leader == leader
    assert cluster.prepare().rollout.plan.is_empty


def test_corrects_what_was_changed_by_hand(cluster: Cluster) -> None:
    cluster.deploy()
    scaling, group = cluster.clients("autoscaling"), cluster.environment.head_group
    scaling.resume_processes(AutoScalingGroupName=group, ScalingProcesses=["AZRebalance"])
    scaling.delete_tags(
        Tags=[{"ResourceId": group, "ResourceType": "auto-scaling-group", "Key": "raykiln:role"}]
    )

    cluster.deploy()

    assert cluster.prepare().rollout.plan.is_empty


def test_a_tag_of_others_on_the_group_is_no_change(cluster: Cluster) -> None:
    cluster.deploy()
    group = {"ResourceId": cluster.environment.head_group, "ResourceType": "auto-scaling-group"}
    tag = {**group, "PropagateAtLaunch": False, "Key": "cost-centre", "Value": "4711"}
    cluster.clients("autoscaling").create_or_update_tags(Tags=[tag])

    assert cluster.prepare().rollout.plan.is_empty


def test_heads_that_give_up_fail_the_deploy_with_the_reason_and_none_is_left(
    cluster: Cluster,
) -> None:
    cluster.nodes.heads_give_up = True

    with pytest.raises(PipelineError) as failed:
        cluster.deploy()

    assert "2 heads did not come into service" in failed.value.message
    assert "ABANDON" in failed.value.message
    assert "the end of its console:\nthe secret cannot be read" in failed.value.message
    cluster.clock.advance(60)
    assert cluster.state().heads == ()


def test_zones_without_capacity_fail_the_deploy_with_the_reason_of_aws(cluster: Cluster) -> None:
    shortages.declare("m6i.large")

    with pytest.raises(PipelineError, match="do not have sufficient"):
        cluster.deploy()


def test_once_the_cause_is_fixed_the_next_deploy_succeeds(cluster: Cluster) -> None:
    cluster.nodes.heads_give_up = True
    with pytest.raises(PipelineError):
        cluster.deploy()
    cluster.nodes.heads_give_up = False

    cluster.deploy()

    assert is_whole(cluster.state())


def test_a_failed_image_is_replaced_by_the_next(cluster: Cluster) -> None:
    cluster.nodes.heads_give_up = True
    with pytest.raises(PipelineError):
        cluster.deploy()
    cluster.nodes.heads_give_up = False
    fixed = bake(cluster.clients, "head")

    cluster.deploy()

    assert [head.ami_id for head in cluster.state().heads] == [fixed]


def test_a_head_that_is_never_ready_times_out_and_is_named(cluster: Cluster) -> None:
    cluster.nodes.heads_hang = True
    cluster.nodes.driver.on_run = lambda instance_id, script: Answer(0, "no secret yet", "")
    cluster.environment = an_environment(limits={"head_ready_seconds": 60})

    with pytest.raises(PipelineError, match=r"i-[0-9a-f]+ says:\nno secret yet") as failed:
        cluster.deploy()

    assert "set to 0 heads" in failed.value.message


def test_refuses_to_start_without_a_verified_image(cluster: Cluster) -> None:
    ec2 = cluster.clients("ec2")
    for image in ec2.describe_images(Owners=["self"])["Images"]:
        ec2.delete_tags(Resources=[image["ImageId"]], Tags=[{"Key": "raykiln:verified"}])

    with pytest.raises(Refused, match="no verified head image") as refused:
        cluster.prepare()

    assert refused.value.hint == "invoke bake"


def test_refuses_images_of_two_versions_of_ray(cluster: Cluster) -> None:
    bake(cluster.clients, "worker", ray_version="2.61.0")

    with pytest.raises(Refused, match=r"Ray 2\.60\.0.*Ray 2\.61\.0"):
        cluster.prepare()


def test_an_image_can_be_named(cluster: Cluster) -> None:
    first = cluster.prepare().rollout.desired.release.head.ami_id
    bake(cluster.clients, "head")
    image = cluster.environment.image.model_copy(update={"head_id": first})
    cluster.environment = cluster.environment.model_copy(update={"image": image})

    assert cluster.prepare().rollout.desired.release.head.ami_id == first


def test_refuses_credentials_of_another_account(cluster: Cluster) -> None:
    cluster.environment = an_environment(account_id="210987654321")

    with pytest.raises(Refused, match="belong to account 123456789012"):
        cluster.prepare()


def test_a_plan_is_json(cluster: Cluster) -> None:
    plan = cluster.prepare().rollout.plan

    assert json.loads(json.dumps(plan.as_json()))["environment"] == "dev"


def with_standby(environment: Environment) -> Environment:
    head = environment.head.model_copy(update={"standby": 1})
    return environment.model_copy(update={"head": head})
