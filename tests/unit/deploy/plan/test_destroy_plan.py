"""The plan of a destroy: what it deletes, and what it leaves."""

from dataclasses import replace
from typing import Any

from deploy.cluster.state import ClusterState
from deploy.plan.destroy_plan import EmptyBucket, TerminateInstances, plan_destroy
from deploy.plan.steps import Plan
from tests.unit.deploy.builders import a_desired_state, an_environment, serving

BUCKET = "raykiln-dev-123456789012-us-east-1"
GIVEN = {
    "names": {"bucket": "ours"},
    "existing_bucket": True,
    "dns": {"zone": "ray.internal", "zone_id": "Z0123456789"},
    "network": {
        "operator_cidrs": ["10.0.0.0/8"],
        "vpc_id": "vpc-0a1b2c3d4e5f60718",
        "private_subnet_ids": ["subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"],
    },
}
KEEPING = {"instance_type": "m6i.large", "state": "redis"}
CREATED = KEEPING | {"redis_node_type": "cache.t4g.small"}


def planned(state: ClusterState, **environment: Any) -> Plan:
    return plan_destroy(an_environment(**environment), state)


def test_of_nothing_nothing_is_deleted() -> None:
    assert planned(ClusterState()).is_empty


def test_heads_go_first_and_stacks_last() -> None:
    state = replace(serving(a_desired_state()), nodes_status="CREATE_COMPLETE")

    plan = planned(state)

    assert plan.words == (
        "- group ray-head-asg-dev: i-head0",
        "- instances: head i-head0, worker i-worker0",
        "- launch template ray-head-dev: versions: 1",
        "- launch template ray-worker-dev: versions: 1",
        "- secret /ray/dev/redis_password",
        f"- content of s3://{BUCKET}: all versions",
        "- stack raykiln-dev-nodes: CREATE_COMPLETE",
        "- stack raykiln-dev: CREATE_COMPLETE",
    )
    assert EmptyBucket(f"content of s3://{BUCKET}", "all versions", "-", BUCKET, "") in plan.steps
    assert state.release
    assert (plan.environment, plan.release) == ("dev", state.release.id)


def test_a_group_without_heads_may_have_one_by_then() -> None:
    state = serving(a_desired_state())
    assert state.group

    empty = replace(state, group=replace(state.group, members=()), instances=())

    assert planned(empty).words[:2] == (
        "- group ray-head-asg-dev: no heads",
        "- instances: any that are left by then",
    )


def test_instances_without_a_group_are_terminated() -> None:
    state = replace(serving(a_desired_state()), group=None)

    (step,) = (one for one in planned(state).steps if isinstance(one, TerminateInstances))

    assert step.words == "- instances: head i-head0, worker i-worker0"


def test_what_was_given_stays() -> None:
    words = planned(serving(a_desired_state()), **GIVEN).words

    assert "- s3://ours/dev/: the bucket stays" in words
    assert words[-1] == (
        "- stack raykiln-dev: VPC vpc-0a1b2c3d4e5f60718, zone Z0123456789, bucket ours stay"
    )


def test_of_a_given_bucket_only_our_objects_are_deleted() -> None:
    state = serving(a_desired_state())

    (step,) = (one for one in planned(state, **GIVEN).steps if isinstance(one, EmptyBucket))
    emptied = planned(replace(state, keys=frozenset()), **GIVEN)

    assert (step.bucket, step.prefix) == ("ours", "dev/")
    assert [one for one in emptied.steps if isinstance(one, EmptyBucket)] == []


def test_the_password_of_a_redis_that_was_given_stays_with_it() -> None:
    password = "- secret /ray/dev/state_password"
    state = serving(a_desired_state(head=CREATED))

    assert password in planned(state, head=CREATED).words
    assert password not in planned(state, head=KEEPING | {"redis": "redis.example:6379"}).words
