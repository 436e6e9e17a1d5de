"""IAM as requests meet it: roles are refused what their policies do not allow."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from drills.kit.deployer import shifted_clock
from localcloud.patches import clocks, iam
from tests.unit.localcloud.fakes import FakeClock

Clients = Callable[[str], Any]

ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
# One session for all: it reads each service's model once.
SESSION = boto3.session.Session(region_name="us-east-1")
HERE = "us-east-1:123456789012"
INVALID = "AWS was not able to validate the provided access credentials"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class Account:
    """An operator who may do everything, and roles that may do little. Enforcement is on."""

    def __init__(self) -> None:
        self.operator = iam.make_user("operator", json.loads(document(ALLOW_ALL)))

    def as_operator(self, service: str) -> Any:
        return SESSION.client(service, **self.operator)

    def as_role(self, *statements: dict[str, Any], session: str = "test") -> Clients:
        """Make a role that may do this; return its clients."""
        api = self.as_operator("iam")
        name = f"role-{len(api.list_roles()['Roles'])}"
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        api.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
        policy = document(*statements)
        api.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
        keys = iam.role_credentials(name, session)
        return lambda service: SESSION.client(service, **keys)


@pytest.fixture
def account(world: Any) -> Iterator[Account]:
    account = Account()
    with iam.enforced():
        yield account


def allow(
    action: str | list[str], resource: str | list[str] = "*", **condition: Any
) -> dict[str, Any]:
    made: dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {**made, "Condition": condition} if condition else made


READS = {
    "autoscaling": "describe_auto_scaling_groups",
    "cloudformation": "list_stacks",
    "cloudwatch": "list_dashboards",
    "dynamodb": "list_tables",
    "ec2": "describe_instances",
    "elbv2": "describe_load_balancers",
    "iam": "list_roles",
    "lambda": "list_functions",
    "logs": "describe_log_groups",
    "route53": "list_hosted_zones",
    "s3": "list_buckets",
    "secretsmanager": "list_secrets",
    "sns": "list_topics",
    "sqs": "list_queues",
    "ssm": "describe_parameters",
}


@pytest.mark.parametrize("service", READS)
def test_the_operators_signature_is_accepted_by_every_service(
    account: Account, service: str
) -> None:
    found = getattr(account.as_operator(service), READS[service])()

    assert found["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("service", READS)
def test_a_role_without_permission_is_refused_by_every_service(
    account: Account, service: str
) -> None:
    role = account.as_role(allow("ecs:*"))

    with pytest.raises(ClientError) as refused:
        getattr(role(service), READS[service])()

    error = refused.value.response["Error"]
    assert error["Code"] in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
    assert "is not authorized to perform: " in error["Message"]


@pytest.mark.parametrize("service", READS)
def test_a_wrong_secret_is_refused_by_every_service(account: Account, service: str) -> None:
    keys = {**account.operator, "aws_secret_access_key": "wrong"}
    client = SESSION.client(service, **keys)

    with pytest.raises(ClientError, match=INVALID if service == "ec2" else "signature"):
        getattr(client, READS[service])()


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize(
    ("service", "minutes", "code"),
    [
        ("dynamodb", 5, "InvalidSignatureException"),
        ("ec2", 5, "AuthFailure"),
        ("iam", 5, "SignatureDoesNotMatch"),
        ("s3", 15, "RequestTimeTooSkewed"),
        ("sts", 15, "SignatureDoesNotMatch"),
    ],
)
def test_a_clock_may_be_as_far_off_as_each_service_tolerates(
    account: Account, service: str, minutes: int, code: str, ahead: bool
) -> None:
    client, off = account.as_operator(service), minutes * 60.0 * (1 if ahead else -1)
    read = getattr(client, {**READS, "sts": "get_caller_identity"}[service])
    words = f"Signature {'not yet current' if ahead else 'expired'}: .* {minutes} min"

    with shifted_clock(off * 0.9):
        assert read()
    with shifted_clock(off * 1.1):
        said = refused(code, read)
    assert re.match({"ec2": INVALID, "s3": "The difference"}.get(service, words), said)


def test_only_an_instance_whose_clock_is_declared_wrong_is_refused(
    account: Account, tmp_path: Path
) -> None:
    lists = allow("dynamodb:ListTables")
    off, right = account.as_role(lists, session="i-0a"), account.as_role(lists, session="i-0b")
    clocks.follow(tmp_path / "clocks")

    (tmp_path / "clocks").write_text("i-0a 600.0\n")
    with pytest.raises(ClientError, match="Signature not yet current"):
        off("dynamodb").list_tables()
    assert right("dynamodb").list_tables()

    (tmp_path / "clocks").unlink()
    assert off("dynamodb").list_tables()


@pytest.mark.parametrize("service", ["ec2", "s3", "dynamodb", "iam"])
def test_an_unknown_key_is_refused(account: Account, service: str) -> None:
    client = SESSION.client(
        service,
        aws_access_key_id="AKIA" + "UNKNOWN" + "KEY234",
        aws_secret_access_key="x",
    )

    with pytest.raises(ClientError, match=INVALID if service == "ec2" else "security token"):
        getattr(client, READS[service])()


def refused(code: str, call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    told = error.value.response["Error"]
    assert told["Code"] == code, told
    return str(told["Message"])


def test_only_the_allowed_parameter_may_be_read(account: Account) -> None:
    ssm = account.as_operator("ssm")
    for name in ("/ray/test/redis_password", "/ray/prod/redis_password"):
        ssm.put_parameter(Name=name, Value="secret", Type="SecureString")
    arn = f"arn:aws:ssm:{HERE}:parameter/ray/test/redis_password"
    role = account.as_role(allow("ssm:GetParameter", arn), session="i-0123")("ssm")

    found = role.get_parameter(Name="/ray/test/redis_password", WithDecryption=True)
    message = refused("AccessDeniedException", role.get_parameter, Name="/ray/prod/redis_password")

    assert found["Parameter"]["Value"] == "secret"
    assert message == (
        "User: arn:aws:sts::123456789012:assumed-role/role-0/i-0123 is not authorized to perform: "
        f"ssm:GetParameter on resource: arn:aws:ssm:{HERE}:parameter/ray/prod/redis_password "
        "because no identity-based policy allows the ssm:GetParameter action"
    )


def test_a_bucket_may_be_read_under_one_prefix_only(account: Account) -> None:
    s3 = account.as_operator("s3")
    s3.create_bucket(Bucket="raykiln-config")
    for key in ("test/autoscaler/a b+c.yaml", "prod/autoscaler/a.yaml"):
        s3.put_object(Bucket="raykiln-config", Key=key, Body=b"yaml")
    role = account.as_role(allow("s3:GetObject", "arn:aws:s3:::raykiln-config/test/autoscaler/*"))(
        "s3"
    )

    found = role.get_object(Bucket="raykiln-config", Key="test/autoscaler/a b+c.yaml")[
        "Body"
    ].read()

    assert found == b"yaml"
    refused("AccessDenied", role.get_object, Bucket="raykiln-config", Key="prod/autoscaler/a.yaml")
    refused(
        "AccessDenied", role.put_object, Bucket="raykiln-config", Key="test/autoscaler/x", Body=b""
    )
    refused("AccessDenied", role.list_objects_v2, Bucket="raykiln-config", Prefix="test/")
    missing = refused(
        "AccessDenied", role.get_object, Bucket="raykiln-config", Key="test/autoscaler/missing"
    )
    assert "s3:ListBucket" in missing
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket="raykiln-config", Key="test/autoscaler/missing")


def test_a_listing_without_a_prefix_is_not_one_of_the_prefixes(account: Account) -> None:
    operator, reader = account.as_operator("s3"), account.as_role(*reads("data", "in/*"))("s3")
    operator.create_bucket(Bucket="data")

    assert reader.list_objects_v2(Bucket="data", Prefix="in/x")["KeyCount"] == 0
    refused("AccessDenied", reader.list_objects_v2, Bucket="data")
    refused("AccessDenied", reader.list_objects_v2, Bucket="data", Prefix="i")
    # No prefix is asked for here either: what is missing looks like what is forbidden.
    refused("AccessDenied", reader.get_object, Bucket="data", Key="in/missing")


def reads(bucket: str, prefix: str) -> tuple[dict[str, Any], ...]:
    listing = {"StringLike": {"s3:prefix": [prefix]}}
    return (
        allow("s3:GetObject", f"arn:aws:s3:::{bucket}/{prefix}"),
        allow("s3:ListBucket", f"arn:aws:s3:::{bucket}", **listing),
    )


def test_a_copy_must_be_allowed_to_read_its_source(account: Account) -> None:
    operator = account.as_operator("s3")
    operator.create_bucket(Bucket="data")
    for key in ("in/x", "secret/x"):
        operator.put_object(Bucket="data", Key=key, Body=b"x")
    writer = account.as_role(
        *reads("data", "in/*"), allow("s3:PutObject", "arn:aws:s3:::data/out/*")
    )

    copy = writer("s3").copy_object
    assert copy(Bucket="data", Key="out/x", CopySource={"Bucket": "data", "Key": "in/x"})
    source = {"Bucket": "data", "Key": "secret/x"}
    words = refused("AccessDenied", copy, Bucket="data", Key="out/y", CopySource=source)
    assert "s3:GetObject on resource: arn:aws:s3:::data/secret/x" in words


def test_each_of_several_deleted_objects_must_be_allowed(account: Account) -> None:
    operator = account.as_operator("s3")
    operator.create_bucket(Bucket="data")
    role = account.as_role(allow("s3:DeleteObject", "arn:aws:s3:::data/out/*"))("s3")

    def delete(*keys: str) -> dict[str, Any]:
        return {"Bucket": "data", "Delete": {"Objects": [{"Key": key} for key in keys]}}

    assert role.delete_objects(**delete("out/x", "out/y"))
    refused("AccessDenied", role.delete_objects, **delete("out/x", "in/y"))


@pytest.mark.parametrize("name", ["describe_key", "list_grants"])
def test_a_key_is_a_resource_of_all_that_reads_it(account: Account, name: str) -> None:
    arns = [account.as_operator("kms").create_key()["KeyMetadata"]["Arn"] for _ in range(2)]
    role = account.as_role(allow("kms:*", arns[0]))("kms")

    assert getattr(role, name)(KeyId=arns[0])
    refused("AccessDeniedException", getattr(role, name), KeyId=arns[1])


def test_a_buckets_own_policy_denies_even_an_administrator(account: Account) -> None:
    s3 = account.as_operator("s3")
    s3.create_bucket(Bucket="raykiln-config")
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::raykiln-config/*",
        "Condition": {"Null": {"aws:PrincipalTag/team": "true"}},
    }
    s3.put_bucket_policy(Bucket="raykiln-config", Policy=document(deny))

    message = refused("AccessDenied", s3.put_object, Bucket="raykiln-config", Key="k", Body=b"")

    assert "with an explicit deny in a resource-based policy" in message


def test_a_bucket_that_requires_tls_works_over_tls(account: Account) -> None:
    s3 = account.as_operator("s3")
    s3.create_bucket(Bucket="raykiln-config")
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::raykiln-config", "arn:aws:s3:::raykiln-config/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket="raykiln-config", Policy=document(deny))

    s3.put_object(Bucket="raykiln-config", Key="k", Body=b"x")

    assert s3.get_object(Bucket="raykiln-config", Key="k")["Body"].read() == b"x"


def test_the_lease_may_be_held_under_its_own_key_only(account: Account) -> None:
    account.as_operator("dynamodb").create_table(
        TableName="lease",
        KeySchema=[{"AttributeName": "cluster", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "cluster", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    own: dict[str, Any] = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["test"]}}
    table = f"arn:aws:dynamodb:{HERE}:table/lease"
    role = account.as_role(allow(["dynamodb:PutItem", "dynamodb:Query"], table, **own))("dynamodb")

    role.put_item(TableName="lease", Item={"cluster": {"S": "test"}})
    query = {
        "TableName": "lease",
        "KeyConditionExpression": "#c = :c",
        "ExpressionAttributeNames": {"#c": "cluster"},
    }
    assert role.query(**query, ExpressionAttributeValues={":c": {"S": "test"}})["Count"] == 1

    no = "AccessDeniedException"
    refused(no, role.put_item, TableName="lease", Item={"cluster": {"S": "prod"}})
    refused(no, role.query, **query, ExpressionAttributeValues={":c": {"S": "prod"}})
    refused(no, role.get_item, TableName="lease", Key={"cluster": {"S": "test"}})


def test_metrics_may_be_put_into_one_namespace(account: Account) -> None:
    own: dict[str, Any] = {"StringEquals": {"cloudwatch:namespace": "Ray/Head"}}
    role = account.as_role(allow("cloudwatch:PutMetricData", **own))("cloudwatch")
    data = [{"MetricName": "HeadReady", "Value": 1.0}]

    role.put_metric_data(Namespace="Ray/Head", MetricData=data)

    refused("AccessDeniedException", role.put_metric_data, Namespace="Other", MetricData=data)


class Launching:
    """A worker template in a subnet, with the profile of a role."""

    def __init__(self, account: Account) -> None:
        self.ec2 = account.as_operator("ec2")
        self.iam = account.as_operator("iam")
        self.subnet, self.other_subnet = (
            s["SubnetId"] for s in self.ec2.describe_subnets()["Subnets"][:2]
        )
        self.group = self.ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
        self.ami = self.ec2.register_image(
            Name="worker", RootDeviceName="/dev/xvda", Architecture="x86_64"
        )["ImageId"]
        self.iam.create_role(RoleName="worker", AssumeRolePolicyDocument=document())
        self.iam.create_instance_profile(InstanceProfileName="worker")
        self.iam.add_role_to_instance_profile(InstanceProfileName="worker", RoleName="worker")
        self.role_arn = self.iam.get_role(RoleName="worker")["Role"]["Arn"]
        made = self.ec2.create_launch_template(
            LaunchTemplateName="ray-worker-test",
            LaunchTemplateData={
                "ImageId": self.ami,
                "InstanceType": "t3.micro",
                "SecurityGroupIds": [self.group],
                "IamInstanceProfile": {"Name": "worker"},
            },
            TagSpecifications=[
                {"ResourceType": "launch-template", "Tags": pairs({"raykiln:role": "worker"})}
            ],
        )
        self.template = made["LaunchTemplate"]["LaunchTemplateId"]

    def statements(self) -> list[dict[str, Any]]:
        """The statements of the head's role, in short."""
        here = f"arn:aws:ec2:{HERE}"
        run = "ec2:RunInstances"
        own = {"aws:RequestTag/ray-cluster-name": "test"}
        return [
            allow(
                run,
                f"{here}:launch-template/*",
                StringEquals={"aws:ResourceTag/raykiln:role": "worker"},
            ),
            allow(
                run, "arn:aws:ec2:us-east-1::image/*", Bool={"ec2:IsLaunchTemplateResource": "true"}
            ),
            allow(run, f"{here}:security-group/{self.group}"),
            allow(run, f"{here}:subnet/*", StringEquals={"ec2:SubnetID": [self.subnet]}),
            allow(run, f"{here}:instance/*", StringEquals=own),
            allow(run, [f"{here}:network-interface/*", f"{here}:volume/*"]),
            allow(
                "ec2:CreateTags",
                f"{here}:instance/*",
                StringEquals={"ec2:CreateAction": "RunInstances"},
            ),
            allow(
                "iam:PassRole",
                self.role_arn,
                StringEquals={"iam:PassedToService": "ec2.amazonaws.com"},
            ),
            allow(
                "ec2:TerminateInstances",
                f"{here}:instance/*",
                StringEquals={"aws:ResourceTag/ray-cluster-name": "test"},
            ),
        ]

    def request(self, **changes: Any) -> dict[str, Any]:
        tags = changes.pop("tags", {"ray-cluster-name": "test"})
        asked = {
            "MinCount": 1,
            "MaxCount": 1,
            "LaunchTemplate": {"LaunchTemplateId": self.template, "Version": "1"},
            "SubnetId": self.subnet,
            "TagSpecifications": [{"ResourceType": "instance", "Tags": pairs(tags)}],
        }
        return {**asked, **changes}


def pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@pytest.fixture
def launching(account: Account) -> Launching:
    return Launching(account)


def test_the_head_launches_and_terminates_workers_of_its_own_cluster(
    account: Account, launching: Launching
) -> None:
    head = account.as_role(*launching.statements())("ec2")
    stranger = launching.ec2.run_instances(**launching.request(tags={"ray-cluster-name": "prod"}))

    made = head.run_instances(**launching.request())["Instances"][0]["InstanceId"]
    head.terminate_instances(InstanceIds=[made])

    others = [stranger["Instances"][0]["InstanceId"]]
    message = refused("UnauthorizedOperation", head.terminate_instances, InstanceIds=others)
    assert message.startswith("You are not authorized to perform this operation. User: ")


def test_an_image_that_is_made_with_tags_needs_permission_to_make_and_to_tag_it_and_its_snapshots(
    account: Account, launching: Launching, clock: FakeClock
) -> None:
    instance = launching.ec2.run_instances(**launching.request())["Instances"][0]["InstanceId"]
    clock.advance(30)
    here = "arn:aws:ec2:us-east-1"
    make = allow("ec2:CreateImage", f"{here}:123456789012:instance/*")
    made = [f"{here}::image/*", f"{here}::snapshot/*"]
    creating = {"ec2:CreateAction": "CreateImage"}
    tags = [
        {"ResourceType": kind, "Tags": pairs({"raykiln:bake": "a"})}
        for kind in ("image", "snapshot")
    ]
    image = {"InstanceId": instance, "Name": "an-image", "TagSpecifications": tags}
    no = "UnauthorizedOperation"

    only_of_instances = account.as_role(make)("ec2")
    assert "image/" in refused(no, only_of_instances.create_image, **image)
    makes = (make, allow("ec2:CreateImage", made))
    assert "ec2:CreateTags on resource" in refused(
        no, account.as_role(*makes)("ec2").create_image, **image
    )
    tags_images = allow("ec2:CreateTags", made[0], StringEquals=creating)
    assert "snapshot/" in refused(
        no, account.as_role(*makes, tags_images)("ec2").create_image, **image
    )
    tags_both = allow("ec2:CreateTags", made, StringEquals=creating)
    assert account.as_role(*makes, tags_both)("ec2").create_image(**image)["ImageId"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"tags": {"ray-cluster-name": "prod"}}, "ec2:RunInstances on resource: .*instance/"),
        ({"SubnetId": "other"}, "ec2:RunInstances on resource: .*subnet/"),
        ({"ImageId": "own"}, "ec2:RunInstances on resource: .*image/"),
        ({"SecurityGroupIds": ["sg-12345678"]}, "ec2:RunInstances on resource: .*security-group/"),
        ({"IamInstanceProfile": {"Name": "admin"}}, "iam:PassRole on resource: .*role/admin"),
        ({"Placement": {"GroupName": "pg"}}, "ec2:RunInstances on resource: .*placement-group/pg"),
        (
            {
                "CapacityReservationSpecification": {
                    "CapacityReservationTarget": {"CapacityReservationId": "cr-1"}
                }
            },
            "ec2:RunInstances on resource: .*capacity-reservation/cr-1",
        ),
    ],
)
def test_the_head_may_not_launch_anything_else(
    account: Account, launching: Launching, change: dict[str, Any], what: str
) -> None:
    launching.iam.create_role(RoleName="admin", AssumeRolePolicyDocument=document())
    launching.iam.create_instance_profile(InstanceProfileName="admin")
    launching.iam.add_role_to_instance_profile(InstanceProfileName="admin", RoleName="admin")
    real = {"other": launching.other_subnet, "own": launching.ami}
    changed = {k: real.get(v, v) if isinstance(v, str) else v for k, v in change.items()}
    head = account.as_role(*launching.statements())("ec2")

    with pytest.raises(ClientError, match=what):
        head.run_instances(**launching.request(**changed))


def test_only_heads_may_be_tagged_and_only_with_the_allowed_keys(
    account: Account, launching: Launching
) -> None:
    made = launching.ec2.run_instances(**launching.request(tags={"raykiln:role": "head"}))
    head_id = made["Instances"][0]["InstanceId"]
    role = account.as_role(
        allow(
            "ec2:CreateTags",
            f"arn:aws:ec2:{HERE}:instance/*",
            StringEquals={"aws:ResourceTag/raykiln:role": "head"},
            **{"ForAllValues:StringEquals": {"aws:TagKeys": ["ray-node-type"]}},
        )
    )("ec2")

    role.create_tags(Resources=[head_id], Tags=pairs({"ray-node-type": "head"}))

    no = "UnauthorizedOperation"
    refused(no, role.create_tags, Resources=[head_id], Tags=pairs({"raykiln:role": "worker"}))
    refused(no, role.create_tags, Resources=[launching.ami], Tags=pairs({"ray-node-type": "x"}))


def test_commands_are_sent_only_where_the_tag_allows(account: Account, clock: Any) -> None:
    launching = Launching(account)
    ids = {}
    for role in ("head", "worker"):
        made = launching.ec2.run_instances(**launching.request(tags={"raykiln:role": role}))
        ids[role] = made["Instances"][0]["InstanceId"]
    clock.advance(10)
    sender = account.as_role(
        allow("ssm:SendCommand", "arn:aws:ssm:us-east-1::document/AWS-RunShellScript"),
        allow(
            "ssm:SendCommand",
            f"arn:aws:ec2:{HERE}:instance/*",
            StringEquals={"ssm:resourceTag/raykiln:role": "head"},
        ),
    )("ssm")
    command = {"DocumentName": "AWS-RunShellScript", "Parameters": {"commands": ["true"]}}

    sender.send_command(**command, InstanceIds=[ids["head"]])

    refused("AccessDeniedException", sender.send_command, **command, InstanceIds=[ids["worker"]])


def test_a_role_is_assumed_only_by_principals_in_its_trust_policy(account: Account) -> None:
    operator = account.as_operator("iam")
    for name, principal in (
        ("open", {"AWS": "arn:aws:iam::123456789012:root"}),
        ("machines", {"Service": "ec2.amazonaws.com"}),
    ):
        trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        operator.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
    sts = account.as_operator("sts")
    arn = "arn:aws:iam::123456789012:role/"

    sts.assume_role(RoleArn=arn + "open", RoleSessionName="me")

    refused("AccessDenied", sts.assume_role, RoleArn=arn + "machines", RoleSessionName="me")


def test_a_permissions_boundary_limits_the_role(account: Account) -> None:
    api = account.as_operator("iam")
    role = account.as_role(allow("*"))
    boundary = api.create_policy(PolicyName="boundary", PolicyDocument=document(allow("s3:*")))
    api.put_role_permissions_boundary(
        RoleName="role-0", PermissionsBoundary=boundary["Policy"]["Arn"]
    )

    role("s3").list_buckets()

    refused("AccessDeniedException", role("dynamodb").list_tables)


def test_a_boundary_limits_what_aws_does_in_the_name_of_a_role_and_what_its_keys_open(
    account: Account,
) -> None:
    api = account.as_operator("iam")
    account.as_role(allow("*"))
    arn = api.get_role(RoleName="role-0")["Role"]["Arn"]
    boundary = api.create_policy(PolicyName="boundary", PolicyDocument=document(allow("s3:*")))
    keys = iam.role_credentials("role-0")
    holder = keys["aws_access_key_id"], keys["aws_session_token"]

    def allowed(action: str) -> tuple[bool, bool]:
        return iam.role_may(arn, [action], "*"), iam.holder_may(*holder, action, "*")

    assert allowed("ecr:BatchGetImage") == (True, True)

    api.put_role_permissions_boundary(
        RoleName="role-0", PermissionsBoundary=boundary["Policy"]["Arn"]
    )

    assert allowed("ecr:BatchGetImage") == (False, False)
    assert allowed("s3:GetObject") == (True, True)


def test_everyone_may_call_get_caller_identity(account: Account) -> None:
    role = account.as_role({"Effect": "Deny", "Action": "*", "Resource": "*"})

    assert role("sts").get_caller_identity()["Arn"].endswith("assumed-role/role-0/test")


TOPIC = "Resources: {Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: alarms}}}"
THROUGH: dict[str, Any] = {
    "ForAnyValue:StringEquals": {"aws:CalledVia": ["cloudformation.amazonaws.com"]}
}


def test_a_stack_creates_in_the_name_of_whoever_changes_it(
    account: Account, clock: FakeClock
) -> None:
    stacks = allow("cloudformation:*")
    refused, through = account.as_role(stacks), account.as_role(stacks, allow("sns:*", **THROUGH))

    refused("cloudformation").create_stack(StackName="refused", TemplateBody=TOPIC)
    through("cloudformation").create_stack(StackName="through", TemplateBody=TOPIC)
    clock.advance(10)

    read = account.as_operator("cloudformation")
    found = {s["StackName"]: s["StackStatus"] for s in read.describe_stacks()["Stacks"]}
    assert found == {"refused": "ROLLBACK_COMPLETE", "through": "CREATE_COMPLETE"}
    events = read.describe_stack_events(StackName="refused")["StackEvents"]
    reasons = " ".join(event.get("ResourceStatusReason", "") for event in events)
    assert "not authorized to perform: sns:CreateTopic" in reasons
    with pytest.raises(ClientError, match="not authorized"):
        through("sns").create_topic(Name="alarms")


def test_a_service_linked_role_has_its_services_name_and_exists_once(account: Account) -> None:
    iam_api = account.as_operator("iam")
    made = iam_api.create_service_linked_role(AWSServiceName="elasticloadbalancing.amazonaws.com")
    assert made["Role"]["RoleName"] == "AWSServiceRoleForElasticLoadBalancing"

    with pytest.raises(ClientError, match="has been taken in this account"):
        iam_api.create_service_linked_role(AWSServiceName="elasticloadbalancing.amazonaws.com")
