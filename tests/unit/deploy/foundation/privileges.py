"""Requests to AWS in the name of a role, and whether IAM refuses them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from common.clients import Clients
from common.environment import Environment
from deploy.foundation.changes import apply_foundation, plan_foundation
from deploy.foundation.stack import Foundation
from localcloud.patches.iam import enforced, role_credentials
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


def made_by_the_stack(logical_id: str, stack: str = "raykiln-dev") -> str:
    """Return the physical id of a resource of a stack."""
    found = boto3.client("cloudformation").describe_stack_resource(
        StackName=stack, LogicalResourceId=logical_id
    )
    return str(found["StackResourceDetail"]["PhysicalResourceId"])


def a_template(
    clients: Clients, image: str, name: str, role: str, profile_arn: str, **data: Any
) -> str:
    """Create a launch template, tagged as deploy tags it."""
    tags = pairs({"raykiln:environment": "dev", "raykiln:role": role})
    made = clients("ec2").create_launch_template(
        LaunchTemplateName=name,
        LaunchTemplateData={
            "ImageId": image,
            "InstanceType": "m6i.large",
            "IamInstanceProfile": {"Arn": profile_arn},
            **data,
        },
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": tags}],
    )
    return str(made["LaunchTemplate"]["LaunchTemplateId"])


def acting_as(place: Place, role: str) -> Iterator[Place]:
    """Yield the place with a role's credentials, every request checked."""
    credentials = role_credentials(role)
    place.aws = lambda service: SESSION.client(service, **credentials)
    with enforced():
        yield place


def parameter(name: str) -> Request:
    return lambda place: place.aws("ssm").get_parameter(Name=name, WithDecryption=True)


def write_parameter(name: str) -> Request:
    return lambda place: place.aws("ssm").put_parameter(
        Name=name, Value="y", Type="SecureString", Overwrite=True
    )


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


def wrong_results(requests: dict[str, Request], place: Place, refused: bool) -> list[str]:
    """Return the names of the requests whose result is wrong."""
    return [name for name, one in requests.items() if is_refused(one, place) is not refused]


def a_place(environment: Environment, clients: Clients, clock: FakeClock) -> Place:
    """Return a foundation with a head, a worker, a foreign instance and what they may not reach."""
    plan = plan_foundation(clients, environment, clock=clock)
    foundation = apply_foundation(clients, environment, plan, clock=clock)
    for name in (environment.secret, environment.state_secret, "/ray/other/redis_password"):
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
        role: a_template(
            clients,
            image,
            f"ray-{role}-dev",
            role,
            getattr(foundation, f"{role}_instance_profile_arn"),
            SecurityGroupIds=[getattr(foundation, f"{role}_security_group_id")],
        )
        for role in ("worker", "head")
    }
    public_subnet = made_by_the_stack("PublicSubnetA")
    made = Place(foundation, clients, image, "", "", "", public_subnet, templates)
    role = {"raykiln:environment": "dev", "raykiln:role": "head"}
    made.head = made.run(tags=role)["Instances"][0]["InstanceId"]
    made.worker = made.run()["Instances"][0]["InstanceId"]
    made.stranger = made.run(tags={"Name": "theirs"})["Instances"][0]["InstanceId"]
    clock.advance(10)
    return made
