"""The roles of head and workers: what each needs, and what each is refused.

Every request is evaluated by IAM's rules, against the policies of the foundation's template.
"""

from collections.abc import Iterator

import pytest

from common.clients import Clients
from localcloud.patches.iam import enforced, role_credentials
from localcloud.world import World
from tests.unit.deploy.builders import an_environment, an_environment_that_sends_metrics
from tests.unit.deploy.foundation.privileges import (
    WORKER_TAGS,
    Place,
    Request,
    a_place,
    acting_as,
    delete_item,
    describe,
    document,
    health,
    launch,
    launch_another_image,
    launch_as_head,
    launch_into_another_subnet,
    launch_without_template,
    log_group,
    log_line,
    log_stream,
    made_by_the_stack,
    metric,
    parameter,
    read_item,
    read_logs,
    request_spot,
    tagging,
    terminate,
    untag,
    write_document,
    write_item,
    write_parameter,
    wrong_results,
)
from tests.unit.localcloud.fakes import FakeClock
from tests.unit.localcloud.prometheus import Caller, write


@pytest.fixture
def place(world: World, clock: FakeClock) -> Place:
    return a_place(an_environment(), Clients("us-east-1"), clock)


@pytest.fixture
def as_head(place: Place) -> Iterator[Place]:
    yield from acting_as(place, made_by_the_stack("HeadRole"))


@pytest.fixture
def as_worker(place: Place) -> Iterator[Place]:
    yield from acting_as(place, made_by_the_stack("WorkerRole"))


HEAD_MUST: dict[str, Request] = {
    "read the token": parameter("/ray/dev/redis_password"),
    "read the password of its Redis": parameter("/ray/dev/state_password"),
    "read its autoscaler configuration": document("dev/autoscaler/x.yaml"),
    "read the lease": read_item(),
    "write the lease": write_item(),
    "report that it is ready": metric("Ray/Head"),
    "see its lifecycle state": describe("autoscaling", "describe_auto_scaling_instances"),
    "complete its lifecycle action": health("ray-head-asg-dev"),
    "describe the instances": describe("ec2", "describe_instances"),
    "tag itself as Ray's head": tagging(
        "head", ray_node_type="head", ray_cluster_name="dev", ray_user_node_type="head"
    ),
    "untag a head": untag,
    "launch a worker": launch(),
    "launch a worker of another type": launch(InstanceType="m6a.large"),
    "launch a worker in the spot market": launch(
        InstanceType="m6a.large", InstanceMarketOptions={"MarketType": "spot"}
    ),
    "terminate a worker": terminate("worker"),
    "create its log stream": log_stream("/raykiln/dev/head"),
    "ship its logs": log_line("/raykiln/dev/head"),
}
HEAD_MUST_NOT: dict[str, Request] = {
    "read another parameter": parameter("/ray/other/redis_password"),
    "change the password of its Redis": write_parameter("/ray/dev/state_password"),
    "read another prefix": document("prod/autoscaler/x.yaml"),
    "read the releases": document("dev/releases/x.json"),
    "write its configuration": write_document("dev/autoscaler/x.yaml"),
    "read another table": read_item("another"),
    "read another cluster's lease": read_item(cluster="prod"),
    "write another table": write_item("another"),
    "write another cluster's lease": write_item(cluster="prod"),
    "delete the lease": delete_item,
    "send metrics of others": metric("Ray/Other"),
    "complete others' lifecycle actions": health("another"),
    "tag a stranger": tagging("stranger", ray_node_type="head"),
    "tag a worker": tagging("worker", ray_node_type="head"),
    "tag a head as a worker": tagging("head", ray_node_type="worker"),
    "tag a head with anything": tagging("head", owner="me"),
    "terminate a head": terminate("head"),
    "terminate a stranger": terminate("stranger"),
    "launch a head": launch("head"),
    "launch without a template": launch_without_template,
    "launch a head in the spot market": launch(
        "head", InstanceMarketOptions={"MarketType": "spot"}
    ),
    "request spot instances without a template": request_spot,
    "launch another image": launch_another_image,
    "launch with the head's role": launch_as_head,
    "launch into another subnet": launch_into_another_subnet,
    "take the deploy lock": write_item(cluster="dev#deploy"),
    "read the deploy lock": read_item(cluster="dev#deploy"),
    "launch for another cluster": launch(tags=WORKER_TAGS | {"ray-cluster-name": "prod"}),
    "launch an instance that is not a worker": launch(tags=WORKER_TAGS | {"ray-node-type": "head"}),
    "create a stream among the workers'": log_stream("/raykiln/dev/worker"),
    "ship to the workers' logs": log_line("/raykiln/dev/worker"),
    "ship to another cluster's logs": log_line("/raykiln/prod/head"),
    "read its logs": read_logs("/raykiln/dev/head"),
    "list the log streams": log_group("describe_log_streams", "/raykiln/dev/head"),
    "delete its logs": log_group("delete_log_group", "/raykiln/dev/head"),
    "create a log group": log_group("create_log_group", "/raykiln/dev/more"),
    "see the groups": describe("autoscaling", "describe_auto_scaling_groups"),
    "list the buckets": describe("s3", "list_buckets"),
    "list the roles": describe("iam", "list_roles"),
}
WORKER_MUST: dict[str, Request] = {
    "read the token": parameter("/ray/dev/redis_password"),
    "read the lease": read_item(),
    "report that it gave up": metric("Ray/Head"),
    "create its log stream": log_stream("/raykiln/dev/worker"),
    "ship its logs": log_line("/raykiln/dev/worker"),
}
WORKER_MUST_NOT: dict[str, Request] = {
    "read another parameter": parameter("/ray/other/redis_password"),
    "read the password of the Redis": parameter("/ray/dev/state_password"),
    "read the configuration": document("dev/autoscaler/x.yaml"),
    "take the lease": write_item(),
    "read another table": read_item("another"),
    "send metrics of others": metric("Ray/Other"),
    "describe the instances": describe("ec2", "describe_instances"),
    "launch a worker": launch(),
    "launch a worker in the spot market": launch(InstanceMarketOptions={"MarketType": "spot"}),
    "terminate a worker": terminate("worker"),
    "terminate a head": terminate("head"),
    "tag a head": tagging("head", ray_node_type="head"),
    "complete the head's lifecycle action": health("ray-head-asg-dev"),
    "see lifecycle states": describe("autoscaling", "describe_auto_scaling_instances"),
    "create a stream among the heads'": log_stream("/raykiln/dev/head"),
    "ship to the heads' logs": log_line("/raykiln/dev/head"),
    "read its logs": read_logs("/raykiln/dev/worker"),
    "create a log group": log_group("create_log_group", "/raykiln/dev/more"),
}


def test_a_head_may_do_what_it_needs(as_head: Place) -> None:
    assert wrong_results(HEAD_MUST, as_head, refused=False) == []


def test_a_head_may_do_nothing_else(as_head: Place) -> None:
    assert wrong_results(HEAD_MUST_NOT, as_head, refused=True) == []


def test_a_worker_may_do_what_it_needs(as_worker: Place) -> None:
    assert wrong_results(WORKER_MUST, as_worker, refused=False) == []


def test_a_worker_may_do_nothing_else(as_worker: Place) -> None:
    assert wrong_results(WORKER_MUST_NOT, as_worker, refused=True) == []


WORKSPACE = "https://aps-workspaces.us-east-1.amazonaws.com/workspaces/{}/api/v1/remote_write"


@pytest.mark.parametrize("told", ["ws-1", ""])
def test_a_head_writes_metrics_to_the_workspace_that_it_is_told_of_alone(
    world: World, clock: FakeClock, told: str
) -> None:
    url = WORKSPACE.format(told)
    made = an_environment_that_sends_metrics(url) if told else an_environment()
    a_place(made, Clients("us-east-1"), clock)
    head, worker = (
        Caller(role_credentials(made_by_the_stack(role))) for role in ("HeadRole", "WorkerRole")
    )

    with enforced():
        own, another = (head.ask(write(name), b"\x00")[0] for name in ("ws-1", "ws-2"))
        workers, _ = worker.ask(write("ws-1"), b"\x00")
        queried, _ = head.ask("/workspaces/ws-1/api/v1/query?query=up", method="GET")

    assert own == ("404 Not Found" if told else "403 Forbidden")  # allowed, but there is none
    assert another == workers == queried == "403 Forbidden"
