"""What the roles of groups may, and what each is refused that others may.

Every request is evaluated by IAM's rules, against the policies that are generated for a release.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest

from common.clients import Clients
from deploy.foundation.changes import apply_foundation, plan_foundation
from deploy.foundation.node_needs import Needs, needs_of
from deploy.foundation.nodes_stack import widen_nodes
from deploy.foundation.stack import Foundation
from deploy.release.settings import Group
from tests.unit.deploy.builders import an_environment, the_settings
from tests.unit.deploy.foundation.privileges import (
    Place,
    Request,
    a_template,
    acting_as,
    describe,
    document,
    is_refused,
    launch,
    made_by_the_stack,
    parameter,
    read_item,
    terminate,
    write_document,
    write_item,
    wrong_results,
)
from tests.unit.localcloud.conftest import a_world
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

TYPE = {"instance_types": ["m6i.large"], "min": 0, "max": 2}
NAMED = "sg-0123456789abcdef0"
RESERVED = "cr-0123456789abcdef0"
OBJECTS = ("training/x", "results/x", "raw/x")
GROUPS: dict[str, Any] = {
    "cpu": TYPE,
    "gpu": TYPE
    | {
        "s3_read": ["lake/training/*"],
        "s3_write": ["lake/results/*"],
        "egress": ["tcp/5432 to 10.0.0.0/8"],
    },
    "etl": TYPE | {"s3_read": ["lake/*"], "policy_arns": ["arn:aws:iam::123456789012:policy/sns"]},
    "mpi": TYPE
    | {"placement": "cluster", "zones": ["us-east-1a"], "capacity_reservation_id": RESERVED},
    "db": TYPE | {"security_group_ids": [NAMED]},
}
HEAD = {"instance_type": "m6i.large", "s3_read": ["lake/training/*"]}


def read_object(key: str) -> Request:
    return lambda place: place.aws("s3").get_object(Bucket="lake", Key=key)


def write_object(key: str) -> Request:
    return lambda place: place.aws("s3").put_object(Bucket="lake", Key=key, Body=b"y")


def upload_in_parts(key: str) -> Request:
    def upload(place: Place) -> None:
        s3, what = place.aws("s3"), {"Bucket": "lake", "Key": key}
        upload = s3.create_multipart_upload(**what)["UploadId"]
        s3.upload_part(**what, UploadId=upload, PartNumber=1, Body=b"y")
        s3.list_parts(**what, UploadId=upload)
        s3.abort_multipart_upload(**what, UploadId=upload)

    return upload


def delete_objects(*keys: str) -> Request:
    named = {"Objects": [{"Key": key} for key in keys]}
    return lambda place: place.aws("s3").delete_objects(Bucket="lake", Delete=named)


def copy(source: str, key: str) -> Request:
    where = {"Bucket": "lake", "Key": source}
    return lambda place: place.aws("s3").copy_object(Bucket="lake", Key=key, CopySource=where)


def list_objects(**prefix: str) -> Request:
    return lambda place: place.aws("s3").list_objects_v2(Bucket="lake", **prefix)


def publish(place: Place) -> Any:
    return place.aws("sns").publish(TopicArn=place.foundation.topic_arn, Message="x")


def change_the_bucket(place: Place) -> Any:
    return place.aws("s3").put_bucket_versioning(
        Bucket="lake", VersioningConfiguration={"Status": "Suspended"}
    )


def change_its_role(place: Place) -> Any:
    arn = place.foundation.worker_policy_arn
    return place.aws("iam").detach_role_policy(RoleName="any", PolicyArn=arn)


# Each request, and the roles that may make it.
MATRIX: dict[str, tuple[Request, set[str]]] = {
    "read training data": (read_object("training/x"), {"gpu", "etl", "head"}),
    "read results": (read_object("results/x"), {"etl"}),
    "read raw data": (read_object("raw/x"), {"etl"}),
    "list training data": (list_objects(Prefix="training/"), {"gpu", "etl", "head"}),
    "list results": (list_objects(Prefix="results/"), {"etl"}),
    "list all data": (list_objects(), {"etl"}),
    "list what begins like training data": (list_objects(Prefix="train"), {"etl"}),
    "write results": (write_object("results/y"), {"gpu"}),
    "write training data": (write_object("training/y"), set()),
    "write beside the results": (write_object("results"), set()),
    "upload results in parts": (upload_in_parts("results/z"), {"gpu"}),
    "upload training data in parts": (upload_in_parts("training/z"), set()),
    "delete results": (delete_objects("results/x", "results/y"), {"gpu"}),
    "delete training data": (delete_objects("training/x"), set()),
    "delete training data among results": (delete_objects("results/x", "training/x"), set()),
    "copy training data to the results": (copy("training/x", "results/c"), {"gpu"}),
    "copy raw data to the results": (copy("raw/x", "results/c"), set()),
    "publish, as a policy of its own allows": (publish, {"etl"}),
    "list the buckets": (describe("s3", "list_buckets"), set()),
    "change the bucket": (change_the_bucket, set()),
    "read the token": (parameter("/ray/dev/redis_password"), {"cpu", "gpu", "etl", "head"}),
    "read the password of the Redis": (parameter("/ray/dev/state_password"), {"head"}),
    "read another parameter": (parameter("/ray/other/redis_password"), set()),
    "read the lease": (read_item(), {"cpu", "gpu", "etl", "head"}),
    "take the lease": (write_item(), {"head"}),
    "take the deploy lock": (write_item(cluster="dev#deploy"), set()),
    "read the releases": (document("dev/releases/x.json"), set()),
    "read the autoscaler's configuration": (document("dev/autoscaler/x.yaml"), {"head"}),
    "write the autoscaler's configuration": (write_document("dev/autoscaler/x.yaml"), set()),
    "terminate a worker": (terminate("worker"), {"head"}),
    "launch a worker of a group": (launch("gpu"), {"head"}),
    "change its role": (change_its_role, set()),
    "list the roles": (describe("iam", "list_roles"), set()),
}
HEAD_MUST = {f"launch {name}": launch(name) for name in GROUPS}
HEAD_MUST_NOT: dict[str, Request] = {
    "launch with a role of another environment": launch("of another environment"),
    "launch with a role that is not for workers": launch("administrator"),
    "launch into a security group that no group names": launch("into another group"),
    "launch into the placement group of another environment": launch("beside others"),
    "launch on a reservation that no group names": launch("on another reservation"),
    "launch from a template of another environment": launch("from another template"),
    "launch with a role of its choice": lambda place: place.run(
        "gpu", IamInstanceProfile={"Name": "administrator"}
    ),
}


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module")
def place(clock: FakeClock) -> Iterator[Place]:
    """One for all tests of this module: what a role may do leaves the others what they need."""
    with a_world(clock, FakeDriver(clock)):
        yield groups_with_access(clock)


def groups_with_access(clock: FakeClock) -> Place:
    environment = an_environment(workers=GROUPS, head=HEAD)
    release, clients = the_settings(environment), Clients("us-east-1")
    a_policy("sns", "sns:Publish")
    plan = plan_foundation(clients, environment, clock=clock)
    foundation = apply_foundation(clients, environment, plan, clock=clock)
    needs = replace(needs_of(release), kms_keys=(a_key(),))
    foundation = widen_nodes(clients, environment, foundation, Needs(), needs, clock=clock)
    have_data(clients, foundation)
    image = clients("ec2").register_image(Name="an-image", Architecture="x86_64")["ImageId"]
    templates = {
        group.name: template_of(clients, foundation, image, group) for group in release.groups
    }
    made = Place(foundation, clients, image, "", "", "", "", templates)
    made.templates |= foreign_templates(clients, made, image)
    made.worker = made.run("cpu")["Instances"][0]["InstanceId"]
    clock.advance(10)
    return made


def a_key() -> str:
    return str(boto3.client("kms").create_key(Description="volumes")["KeyMetadata"]["Arn"])


def a_policy(name: str, action: str) -> str:
    """Create a managed policy that allows an action on everything; return its ARN."""
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    body = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    made = boto3.client("iam").create_policy(PolicyName=name, PolicyDocument=body)
    return str(made["Policy"]["Arn"])


def have_data(clients: Clients, foundation: Foundation) -> None:
    clients("s3").create_bucket(Bucket="lake")
    for key in OBJECTS:
        clients("s3").put_object(Bucket="lake", Key=key, Body=b"x")
    for key in ("dev/autoscaler/x.yaml", "dev/releases/x.json"):
        clients("s3").put_object(Bucket=foundation.bucket_name, Key=key, Body=b"x")
    for name in ("/ray/dev/redis_password", "/ray/other/redis_password"):
        clients("ssm").put_parameter(Name=name, Value="x", Type="SecureString")


def template_of(clients: Clients, foundation: Foundation, image: str, group: Group) -> str:
    """Create a group's launch template, with all that it has of its own."""
    return a_template(
        clients,
        image,
        f"ray-worker-dev.{group.name}",
        "worker",
        foundation.worker_profile(group),
        **data_of(foundation, group),
    )


def data_of(foundation: Foundation, group: Group) -> dict[str, Any]:
    placed = foundation.placement_group(group)
    reserved = {"CapacityReservationId": group.capacity_reservation_id}
    target = {"CapacityReservationTarget": reserved}
    return {
        "SecurityGroupIds": list(foundation.worker_security_groups(group)),
        **({"Placement": {"GroupName": placed}} if placed else {}),
        **({"CapacityReservationSpecification": target} if group.capacity_reservation_id else {}),
    }


def foreign_templates(clients: Clients, place: Place, image: str) -> dict[str, str]:
    """Create templates that no group has, each wrong in one thing."""
    shared, group = place.foundation.worker_instance_profile_arn, place.foundation
    ours = {"SecurityGroupIds": [group.worker_security_group_id]}
    clients("ec2").create_placement_group(GroupName="theirs", Strategy="cluster")
    theirs = {"CapacityReservationTarget": {"CapacityReservationId": "cr-00000000000000000"}}
    wrong: dict[str, tuple[str, dict[str, Any]]] = {
        "of another environment": (a_profile("theirs", "/raykiln/prod/workers/"), ours),
        "administrator": (a_profile("administrator", "/"), ours),
        "into another group": (shared, {"SecurityGroupIds": ["sg-00000000000000000"]}),
        "beside others": (shared, ours | {"Placement": {"GroupName": "theirs"}}),
        "on another reservation": (shared, ours | {"CapacityReservationSpecification": theirs}),
    }
    made = {
        name: a_template(clients, image, name.replace(" ", "-"), "worker", profile, **data)
        for name, (profile, data) in wrong.items()
    }
    another = a_template(clients, image, "theirs", "worker", shared, **ours)
    tags = [{"Key": "raykiln:environment", "Value": "prod"}]
    clients("ec2").create_tags(Resources=[another], Tags=tags)
    return made | {"from another template": another}


def a_profile(name: str, path: str) -> str:
    """Create a role below a path, with an instance profile; return the profile's ARN."""
    iam = boto3.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}
    body = json.dumps(
        {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
    )
    iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=body)
    made = iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    return str(made["InstanceProfile"]["Arn"])


ROLES = {
    "cpu": ("WorkerRole", "raykiln-dev"),
    "gpu": ("gpuRole", "raykiln-dev-nodes"),
    "etl": ("etlRole", "raykiln-dev-nodes"),
    "head": ("HeadRole", "raykiln-dev"),
}


@pytest.fixture(params=ROLES)
def role(request: pytest.FixtureRequest, place: Place) -> Iterator[tuple[str, Place]]:
    name = str(request.param)
    for acting in acting_as(place, made_by_the_stack(*ROLES[name])):
        yield name, acting


def test_each_role_may_what_its_group_says_and_nothing_that_others_may(
    role: tuple[str, Place],
) -> None:
    name, place = role

    allowed = {what for what, (one, _) in MATRIX.items() if not is_refused(one, place)}

    assert allowed == {what for what, (_, roles) in MATRIX.items() if name in roles}


@pytest.fixture
def as_head(place: Place) -> Iterator[Place]:
    yield from acting_as(place, made_by_the_stack("HeadRole"))


def test_a_head_may_launch_every_group_with_what_it_has(as_head: Place) -> None:
    assert wrong_results(HEAD_MUST, as_head, refused=False) == []


def test_a_head_may_launch_nothing_with_what_no_group_has(as_head: Place) -> None:
    assert wrong_results(HEAD_MUST_NOT, as_head, refused=True) == []


@pytest.fixture
def group_role(place: Place) -> str:
    """Return the ARN of a group's role."""
    name = made_by_the_stack(*ROLES["gpu"])
    return str(boto3.client("iam").get_role(RoleName=name)["Role"]["Arn"])


def test_no_role_may_assume_that_of_a_group(group_role: str, role: tuple[str, Place]) -> None:
    _, place = role
    sts = place.aws("sts")

    assert is_refused(lambda _: sts.assume_role(RoleArn=group_role, RoleSessionName="other"), place)


@pytest.fixture
def key(place: Place) -> str:
    """Return the ARN of the key of volumes."""
    kms = boto3.client("kms")
    keys = [kms.describe_key(KeyId=one["KeyId"])["KeyMetadata"] for one in kms.list_keys()["Keys"]]
    (found,) = [one["Arn"] for one in keys if one["Description"] == "volumes"]
    return str(found)


def test_a_head_may_use_the_key_of_volumes_for_launches_alone(key: str, as_head: Place) -> None:
    kms = as_head.aws("kms")

    for attempt in (
        lambda _: kms.describe_key(KeyId=key),
        lambda _: kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256"),
        lambda _: kms.create_grant(KeyId=key, GranteePrincipal="x", Operations=["Decrypt"]),
    ):
        assert is_refused(attempt, as_head)
    volume = {"VolumeSize": 8, "Encrypted": True, "KmsKeyId": key}
    mapping = {"DeviceName": "/dev/sdf", "Ebs": volume}
    made = as_head.run("cpu", BlockDeviceMappings=[mapping])
    assert made["Instances"][0]["State"]["Name"] == "pending"


def test_the_boundary_of_an_account_limits_a_group_s_role(place: Place, clock: FakeClock) -> None:
    boundary = a_policy("boundary", "s3:Get*")
    have_boundary(place, clock, {"permissions_boundary": boundary})

    for acting in acting_as(place, made_by_the_stack(*ROLES["gpu"])):
        assert not is_refused(read_object("training/x"), acting)
        assert is_refused(write_object("results/y"), acting)
        assert is_refused(read_item(), acting)

    have_boundary(place, clock, {})
    for acting in acting_as(place, made_by_the_stack(*ROLES["gpu"])):
        assert not is_refused(read_item(), acting)


def have_boundary(place: Place, clock: FakeClock, nodes: dict[str, str]) -> None:
    """Give the nodes' roles what their environment says."""
    environment = an_environment(workers=GROUPS, head=HEAD, nodes=nodes)
    needs = needs_of(the_settings(environment))
    clients = Clients("us-east-1")
    widen_nodes(clients, environment, place.foundation, needs, needs, clock=clock)
