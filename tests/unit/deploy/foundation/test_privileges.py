"""The roles of head and workers: what each needs, and what each is refused.

Every request is evaluated by IAM's rules, against the policies of the foundation's template.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from common.clients import Clients
from deploy.foundation.changes import apply_foundation, plan_foundation
from deploy.foundation.stack import Foundation
from localcloud.patches.iam import enforced, role_credentials
from localcloud.world import World
from tests.unit.deploy.builders import an_environment
from tests.unit.localcloud.fakes import FakeClock

REFUSALS = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
WORKER_TAGS = {"ray-cluster-name": "dev", "ray-node-type": "worker"}
SESSION = boto3.session.Session(region_name="us-east-1")  # reads each service's model once

Aws = Callable[[str], Any]
Request = Callable[["Place"], Any]


@dataclass
class Place:
    """A foundation, a head, a worker, a foreign instance; ``aws`` acts as a role."""

    foundation: Foundation
    aws: Aws
    image: str
    head: str
    worker: str
    stranger: str
    public_subnet: str
    templates: dict[str, str]

    def run(self, template: str = "worker", **changes: Any) -> Any:
        """Launch as Ray's autoscaler does (its TagSpecifications, a subnet, a template)."""
        tags = changes.pop("tags", WORKER_TAGS)
        specification = {"ResourceType": "instance", "Tags": pairs(tags)}
        request = {
            "MinCount": 1,
            "MaxCount": 1,
            "LaunchTemplate": {"LaunchTemplateId": self.templates[template], "Version": "1"},
            "SubnetId": self.foundation.private_subnet_ids[0],
            "TagSpecifications": [specification],
        }
        return self.aws("ec2").run_instances(**request | changes)

    def tag(self, instance_id: str, **tags: str) -> Any:
        """Tag an instance, as the guard does."""
        named = {key.replace("_", "-"): value for key, value in tags.items()}
        return self.aws("ec2").create_tags(Resources=[instance_id], Tags=pairs(named))


def pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def is_refused(request: Request, place: Place) -> bool:
    """Say whether IAM refuses; any other answer means that IAM allowed the request."""
    try:
        request(place)
    except ClientError as error:
        return error.response["Error"]["Code"] in REFUSALS
    return False


@pytest.fixture
def place(world: World, clock: FakeClock) -> Place:
    environment, clients = an_environment(), Clients("us-east-1")
    plan = plan_foundation(clients, environment, clock=clock)
    foundation = apply_foundation(clients, environment, plan, clock=clock)
    for name in (environment.secret, "/ray/other/redis_password"):
        clients("ssm").put_parameter(Name=name, Value="x", Type="SecureString")
    for key in ("dev/autoscaler/x.yaml", "dev/releases/x.json", "prod/autoscaler/x.yaml"):
        clients("s3").put_object(Bucket=foundation.bucket_name, Key=key, Body=b"x")
    clients("dynamodb").create_table(
        TableName="another",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "cluster", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "cluster", "KeyType": "HASH"}],
    )
    image = clients("ec2").register_image(Name="an-image", Architecture="x86_64")["ImageId"]
    templates = {
        "worker": a_template(clients, foundation, image, "worker"),
        "head": a_template(clients, foundation, image, "head"),
    }
    public_subnet = made_by_the_stack("PublicSubnetA")
    made = Place(foundation, clients, image, "", "", "", public_subnet, templates)
    role = {"raykiln:environment": "dev", "raykiln:role": "head"}
    made.head = made.run(tags=role)["Instances"][0]["InstanceId"]
    made.worker = made.run()["Instances"][0]["InstanceId"]
    made.stranger = made.run(tags={"Name": "theirs"})["Instances"][0]["InstanceId"]
    clock.advance(10)
    return made


def made_by_the_stack(logical_id: str) -> str:
    """Return the physical id of a resource of the stack."""
    found = boto3.client("cloudformation").describe_stack_resource(
        StackName="raykiln-dev", LogicalResourceId=logical_id
    )
    return str(found["StackResourceDetail"]["PhysicalResourceId"])


def a_template(clients: Clients, foundation: Foundation, image: str, role: str) -> str:
    """Create a launch template, tagged as deploy tags it."""
    tags = pairs({"raykiln:environment": "dev", "raykiln:role": role})
    made = clients("ec2").create_launch_template(
        LaunchTemplateName=f"ray-{role}-dev",
        LaunchTemplateData={
            "ImageId": image,
            "InstanceType": "m6i.large",
            "IamInstanceProfile": {"Arn": getattr(foundation, f"{role}_instance_profile_arn")},
            "SecurityGroupIds": [getattr(foundation, f"{role}_security_group_id")],
        },
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": tags}],
    )
    return str(made["LaunchTemplate"]["LaunchTemplateId"])


def acting_as(place: Place, logical_id: str) -> Iterator[Place]:
    """Yield the place with a role's credentials, every request checked."""
    credentials = role_credentials(made_by_the_stack(logical_id))
    place.aws = lambda service: SESSION.client(service, **credentials)
    with enforced():
        yield place


@pytest.fixture
def as_head(place: Place) -> Iterator[Place]:
    yield from acting_as(place, "HeadRole")


@pytest.fixture
def as_worker(place: Place) -> Iterator[Place]:
    yield from acting_as(place, "WorkerRole")


def parameter(name: str) -> Request:
    return lambda place: place.aws("ssm").get_parameter(Name=name, WithDecryption=True)


def document(key: str) -> Request:
    return lambda place: place.aws("s3").get_object(Bucket=place.foundation.bucket_name, Key=key)


def write_document(key: str) -> Request:
    return lambda place: place.aws("s3").put_object(
        Bucket=place.foundation.bucket_name, Key=key, Body=b"y"
    )


def read_item(table: str = "raykiln-lease-dev", cluster: str = "dev") -> Request:
    return lambda place: place.aws("dynamodb").get_item(
        TableName=table, Key={"cluster": {"S": cluster}}
    )


def write_item(table: str = "raykiln-lease-dev", cluster: str = "dev") -> Request:
    return lambda place: place.aws("dynamodb").update_item(
        TableName=table,
        Key={"cluster": {"S": cluster}},
        UpdateExpression="SET beat = :beat",
        ExpressionAttributeValues={":beat": {"N": "1"}},
    )


def delete_item(place: Place) -> Any:
    return place.aws("dynamodb").delete_item(
        TableName="raykiln-lease-dev", Key={"cluster": {"S": "dev"}}
    )


def metric(namespace: str) -> Request:
    return lambda place: place.aws("cloudwatch").put_metric_data(
        Namespace=namespace, MetricData=[{"MetricName": "HeadReady", "Value": 1}]
    )


def log_stream(group: str) -> Request:
    return lambda place: place.aws("logs").create_log_stream(
        logGroupName=group, logStreamName="i-1"
    )


def log_line(group: str) -> Request:
    return lambda place: place.aws("logs").put_log_events(
        logGroupName=group, logStreamName="i-1", logEvents=[{"timestamp": 1, "message": "x"}]
    )


def read_logs(group: str) -> Request:
    return lambda place: place.aws("logs").get_log_events(logGroupName=group, logStreamName="i-1")


def log_group(call: str, name: str) -> Request:
    return lambda place: getattr(place.aws("logs"), call)(logGroupName=name)


def health(group: str) -> Request:
    return lambda place: place.aws("autoscaling").complete_lifecycle_action(
        LifecycleHookName="ray-head-ready",
        AutoScalingGroupName=group,
        InstanceId=place.head,
        LifecycleActionResult="CONTINUE",
    )


def terminate(who: str) -> Request:
    return lambda place: place.aws("ec2").terminate_instances(InstanceIds=[getattr(place, who)])


def tagging(who: str, **tags: str) -> Request:
    return lambda place: place.tag(getattr(place, who), **tags)


def untag(place: Place) -> Any:
    return place.aws("ec2").delete_tags(Resources=[place.head], Tags=[{"Key": "ray-node-type"}])


def launch(template: str = "worker", **changes: Any) -> Request:
    return lambda place: place.run(template, **changes)


def launch_without_template(place: Place) -> Any:
    return place.aws("ec2").run_instances(
        MinCount=1,
        MaxCount=1,
        ImageId=place.image,
        SubnetId=place.foundation.private_subnet_ids[0],
        SecurityGroupIds=[place.foundation.worker_security_group_id],
        TagSpecifications=[{"ResourceType": "instance", "Tags": pairs(WORKER_TAGS)}],
    )


def request_spot(place: Place) -> Any:
    specification = {"ImageId": place.image, "InstanceType": "m6i.large"}
    return place.aws("ec2").request_spot_instances(LaunchSpecification=specification)


def launch_as_head(place: Place) -> Any:
    profile = {"Arn": place.foundation.head_instance_profile_arn}
    return place.run(IamInstanceProfile=profile)


def launch_another_image(place: Place) -> Any:
    return place.run(ImageId=place.image)


def launch_into_another_subnet(place: Place) -> Any:
    return place.run(SubnetId=place.public_subnet)


def describe(service: str, call: str) -> Request:
    return lambda place: getattr(place.aws(service), call)()


HEAD_MUST: dict[str, Request] = {
    "read the secret": parameter("/ray/dev/redis_password"),
    "read its autoscaler configuration": document("dev/autoscaler/x.yaml"),
    "read the lease": read_item(),
    "write the lease": write_item(),
    "report that it is ready": metric("Ray/Head"),
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
    "list the buckets": describe("s3", "list_buckets"),
    "list the roles": describe("iam", "list_roles"),
}
WORKER_MUST: dict[str, Request] = {
    "read the secret": parameter("/ray/dev/redis_password"),
    "read the lease": read_item(),
    "report that it gave up": metric("Ray/Head"),
    "create its log stream": log_stream("/raykiln/dev/worker"),
    "ship its logs": log_line("/raykiln/dev/worker"),
}
WORKER_MUST_NOT: dict[str, Request] = {
    "read another parameter": parameter("/ray/other/redis_password"),
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
    "create a stream among the heads'": log_stream("/raykiln/dev/head"),
    "ship to the heads' logs": log_line("/raykiln/dev/head"),
    "read its logs": read_logs("/raykiln/dev/worker"),
    "create a log group": log_group("create_log_group", "/raykiln/dev/more"),
}


def wrong_results(requests: dict[str, Request], place: Place, refused: bool) -> list[str]:
    """Return the names of the requests whose result is wrong."""
    return [name for name, one in requests.items() if is_refused(one, place) is not refused]


def test_a_head_may_do_what_it_needs(as_head: Place) -> None:
    assert wrong_results(HEAD_MUST, as_head, refused=False) == []


def test_a_head_may_do_nothing_else(as_head: Place) -> None:
    assert wrong_results(HEAD_MUST_NOT, as_head, refused=True) == []


def test_a_worker_may_do_what_it_needs(as_worker: Place) -> None:
    assert wrong_results(WORKER_MUST, as_worker, refused=False) == []


def test_a_worker_may_do_nothing_else(as_worker: Place) -> None:
    assert wrong_results(WORKER_MUST_NOT, as_worker, refused=True) == []
