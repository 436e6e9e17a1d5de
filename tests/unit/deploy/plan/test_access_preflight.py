"""Preflight of access: what nodes are to reach, and cannot."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError
from deploy.foundation.stack import Foundation
from deploy.plan.access_preflight import access_findings
from deploy.plan.file_system_preflight import file_system_findings
from deploy.plan.key_preflight import key_findings
from deploy.release.release import Release
from localcloud.world import World
from tests.unit.deploy.builders import a_foundation, an_environment, an_image, the_settings
from tests.unit.deploy.plan.findings import marked

HERE = "123456789012"
TYPE = {"instance_types": ["m6i.large"], "min": 0, "max": 2}
ZONES = ("us-east-1a", "us-east-1b")


def a_release_of(environment: Environment) -> Release:
    return Release(an_image("ami-head"), the_settings(environment))


def findings(release: Release | None = None, clients: Any = None, **tables: Any) -> list[str]:
    """Return what is found of policies, buckets and security groups; ! marks the fatal."""
    environment = an_environment(**tables)
    found = access_findings(
        clients or Clients("us-east-1"), environment, None, release or a_release_of(environment)
    )
    return marked(found)


class Refusing:
    """AWS, where every call of these services is answered with an error."""

    def __init__(self, code: str, *services: str) -> None:
        self.code, self.services = code, services
        self.clients = Clients("us-east-1")

    def __call__(self, service: str) -> Any:
        return self if service in self.services else self.clients(service)

    def __getattr__(self, name: str) -> Any:
        def call(*_: Any, **__: Any) -> Any:
            raise ClientError({"Error": {"Code": self.code}}, name)

        return call


class Answering:
    """AWS, where each of these operations has one answer."""

    def __init__(self, **answers: dict[str, Any]) -> None:
        self.answers, self.clients = answers, Clients("us-east-1")

    def __call__(self, service: str) -> Any:
        real = self.clients(service)
        made = {name: lambda answer=answer, **_: answer for name, answer in self.answers.items()}
        return SimpleNamespace(meta=real.meta, **made)


# --- Policies -------------------------------------------------------------------------------------


def test_nothing_is_found_and_nothing_is_asked_where_nothing_is_accessed() -> None:
    clients = Clients("us-east-1")

    assert findings(clients=clients) == []
    assert clients.calls == 0


def test_a_policy_that_does_not_exist_is_named_with_its_key(world: World) -> None:
    missing = f"arn:aws:iam::{HERE}:policy/missing"
    gpu = TYPE | {"policy_arns": [missing]}
    statement = {"Effect": "Allow", "Action": "sns:Publish", "Resource": "*"}
    body = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    made = boto3.client("iam").create_policy(PolicyName="mine", PolicyDocument=body)

    assert findings(workers={"gpu": gpu}, nodes={"policy_arns": [made["Policy"]["Arn"]]}) == [
        f"!workers.gpu.policy_arns: there is no policy {missing} → create it, or correct its ARN"
    ]


def test_a_permissions_boundary_that_does_not_exist_is_named(world: World) -> None:
    missing = f"arn:aws:iam::{HERE}:policy/boundary"

    assert findings(nodes={"permissions_boundary": missing}) == [
        f"!nodes.permissions_boundary: there is no policy {missing} → create it, or correct its ARN"
    ]


def test_a_policy_of_another_account_cannot_be_attached(world: World) -> None:
    foreign = "arn:aws:iam::999999999999:policy/theirs"

    assert findings(head={"instance_type": "m6i.large", "policy_arns": [foreign]}) == [
        f"!head.policy_arns: {foreign} belongs to another account"
        " → roles take policies of their own account, and AWS's"
    ]


def test_a_policy_that_roles_cannot_have_is_named() -> None:
    mine = f"arn:aws:iam::{HERE}:policy/mine"
    clients = Answering(get_policy={"Policy": {"Arn": mine, "IsAttachable": False}})

    assert findings(clients=clients, nodes={"policy_arns": [mine]}) == [
        f"!nodes.policy_arns: {mine} cannot be attached → name another policy"
    ]


def test_more_policies_than_a_role_takes_are_named() -> None:
    arns = [f"arn:aws:iam::{HERE}:policy/{number}" for number in range(10)]
    clients = Answering(get_policy={"Policy": {"IsAttachable": True}})

    assert findings(clients=clients, nodes={"policy_arns": arns[1:]}) == []
    assert findings(clients=clients, head={"instance_type": "m6i.large", "policy_arns": arns}) == [
        "head: 11 managed policies, and a role takes 10 → raise the quota iam, L-0DA4ABF3"
    ]


def test_a_policy_that_may_not_be_looked_for_is_no_reason_to_stop(world: World) -> None:
    clients = Refusing("AccessDenied", "iam")
    mine = f"arn:aws:iam::{HERE}:policy/mine"

    assert findings(clients=clients, nodes={"policy_arns": [mine]}) == [
        f"nodes.policy_arns: these credentials may not look for {mine}"
        " → allow iam:GetPolicy, or see that it exists"
    ]


def test_a_policy_of_another_partition_is_refused(world: World) -> None:
    theirs = "arn:aws-cn:iam::aws:policy/AmazonS3ReadOnlyAccess"

    assert findings(nodes={"policy_arns": [theirs]}) == [
        f"!nodes.policy_arns: {theirs} is not of the partition aws → begin it with arn:aws:"
    ]


def test_what_only_an_earlier_release_had_is_named_by_the_release(world: World) -> None:
    missing = f"arn:aws:iam::{HERE}:policy/missing"
    earlier = a_release_of(an_environment(nodes={"policy_arns": [missing]}))

    assert findings(release=earlier) == [
        f"!release {earlier.id}: policy_arns: there is no policy {missing}"
        " → create it, or correct its ARN"
    ]


# --- Buckets and security groups ------------------------------------------------------------------


def test_a_bucket_that_does_not_exist_is_named_once(world: World) -> None:
    boto3.client("s3").create_bucket(Bucket="lake")
    gpu = TYPE | {"s3_read": ["lake/*", "gone/a/*"], "s3_write": ["gone/b/*"]}

    assert findings(workers={"gpu": gpu}) == [
        "!workers.gpu.s3_read: there is no bucket gone → create it, or correct its name",
    ]


def test_a_bucket_that_may_not_be_looked_at_is_no_reason_to_stop(world: World) -> None:
    clients = Refusing("403", "s3")

    assert findings(clients=clients, nodes={"s3_read": ["theirs/*"]}) == [
        "nodes.s3_read: these credentials may not look for the bucket theirs"
        " → if it is another account's, its policy must allow yours"
    ]


def a_security_group(vpc_id: str, name: str = "files") -> str:
    made = boto3.client("ec2").create_security_group(GroupName=name, Description="x", VpcId=vpc_id)
    return str(made["GroupId"])


def a_vpc() -> str:
    return str(boto3.client("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"])


def test_security_groups_must_exist_in_the_cluster_s_vpc(world: World) -> None:
    vpc_id, other = a_vpc(), a_vpc()
    ours, theirs = a_security_group(vpc_id), a_security_group(other)
    network = {
        "operator_cidrs": ["10.0.0.0/8"],
        "vpc_id": vpc_id,
        "private_subnet_ids": ["subnet-00000000", "subnet-11111111"],
    }
    nodes = {"security_group_ids": [ours, theirs, "sg-00000000000000000"]}

    assert findings(network=network, nodes=nodes) == [
        f"!nodes.security_group_ids: {theirs} is in {other}, the cluster in {vpc_id}"
        " → name security groups of the cluster's VPC",
        "!nodes.security_group_ids: there is no security group sg-00000000000000000"
        " → create it, or correct its id",
    ]


def test_what_exceeds_the_quotas_of_a_role_and_of_an_interface_is_named(world: World) -> None:
    vpc_id = a_vpc()
    groups = [a_security_group(vpc_id, f"group {number}") for number in range(4)]
    network = {
        "operator_cidrs": ["10.0.0.0/8"],
        "vpc_id": vpc_id,
        "private_subnet_ids": ["subnet-00000000", "subnet-11111111"],
    }
    gpu = TYPE | {"security_group_ids": groups, "egress": ["tcp/22 to 10.0.0.0/8"]}

    assert findings(network=network, workers={"gpu": gpu, "cpu": TYPE}) == [
        "workers.gpu: 6 security groups, and an interface takes 5 → raise the quota vpc, L-2AFB9258"
    ]


def test_more_egress_than_a_security_group_takes_is_named(world: World) -> None:
    rules = [f"tcp/{port} to 10.0.0.0/8" for port in range(1, 62)]

    assert findings(workers={"gpu": TYPE | {"egress": rules}}) == [
        "workers.gpu: 61 rules of egress, and a security group takes 60"
        " → name wider ranges, or raise the quota vpc, L-0EA8095F"
    ]
    assert findings(workers={"gpu": TYPE | {"egress": rules[1:]}}) == []


# --- Keys -----------------------------------------------------------------------------------------


def key_words(key: str, clients: Any = None, market: str = "on-demand") -> list[str]:
    environment = an_environment(nodes={"kms_key": key}, workers={"gpu": TYPE | {"market": market}})
    found = key_findings(clients or Clients("us-east-1"), environment, a_release_of(environment))
    return marked(found)


@pytest.fixture
def key(world: World) -> str:
    return str(boto3.client("kms").create_key()["KeyMetadata"]["Arn"])


def grant(key: str, role: str) -> None:
    principal = f"arn:aws:iam::{HERE}:role/aws-service-role/{role}"
    boto3.client("kms").create_grant(
        KeyId=key, GranteePrincipal=principal, Operations=["Decrypt", "CreateGrant"]
    )


def test_a_key_needs_a_grant_for_each_role_of_aws_that_launches(key: str) -> None:
    def refused(role: str) -> str:
        return (
            f"!nodes.kms_key: {role.partition('/')[2]} may not use {key}: what it launches would "
            f"be terminated → aws kms create-grant --key-id {key} --grantee-principal "
            f"arn:aws:iam::{HERE}:role/aws-service-role/{role} --operations Encrypt Decrypt "
            "ReEncryptFrom ReEncryptTo GenerateDataKey GenerateDataKeyWithoutPlaintext "
            "DescribeKey CreateGrant"
        )

    assert key_words(key, market="spot") == [
        refused("autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"),
        refused("spot.amazonaws.com/AWSServiceRoleForEC2Spot"),
    ]

    grant(key, "autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling")
    assert key_words(key) == []
    grant(key, "spot.amazonaws.com/AWSServiceRoleForEC2Spot")
    assert key_words(key, market="spot") == []


def test_a_default_key_of_the_account_s_own_must_be_named(key: str) -> None:
    """Without a key of its own, an encrypted volume has the account's default key.

    https://docs.aws.amazon.com/ebs/latest/userguide/work-with-ebs-encr.html
    """
    assert key_words("") == []
    boto3.client("ec2").modify_ebs_default_kms_key_id(KmsKeyId=key)

    assert key_words("") == [
        f"!nodes.kms_key: the account's default key for EBS is a customer key, {key}, which heads "
        "and workers may not use: what is launched would be terminated"
        f' → set [nodes] kms_key = "{key}", and what it needs follows: docs/access.md'
    ]
    grant(key, "autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling")
    assert key_words(key) == []


def test_a_default_key_that_may_not_be_read_is_no_reason_to_stop(key: str) -> None:
    assert key_words("", Refusing("UnauthorizedOperation", "ec2")) == [
        "these credentials may not read the account's default key for EBS"
        " → allow ec2:GetEbsDefaultKmsKeyId and kms:DescribeKey"
    ]


def test_a_key_must_exist_here_and_be_enabled(key: str) -> None:
    missing = f"arn:aws:kms:us-east-1:{HERE}:key/00000000-0000-0000-0000-000000000000"
    away = missing.replace("us-east-1", "us-west-2")
    assert key_words(missing) == [f"!nodes.kms_key: there is no key {missing} → correct its ARN"]
    assert key_words(away) == [
        f"!nodes.kms_key: {away} is not a key of us-east-1 → name a key of the cluster's region"
    ]

    boto3.client("kms").disable_key(KeyId=key.rpartition("/")[2])
    assert key_words(key) == [f"!nodes.kms_key: {key} is Disabled → enable it"]


def test_a_key_must_be_symmetric(world: World) -> None:
    made = boto3.client("kms").create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    key = str(made["KeyMetadata"]["Arn"])

    assert key_words(key) == [
        f"!nodes.kms_key: {key} is RSA_2048, EBS takes symmetric keys → name a symmetric key"
    ]


def let_in(key: str, principal: Any, effect: str = "Allow") -> None:
    """Make a key's policy one statement for this principal."""
    statement = {"Effect": effect, "Action": "kms:Encrypt", "Resource": "*"}
    if principal is not None:
        statement["Principal"] = principal
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    boto3.client("kms").put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))


@pytest.mark.parametrize(
    "principal", ["*", {"AWS": "*"}, {"AWS": HERE}, {"AWS": [f"arn:aws:iam::{HERE}:root"]}]
)
def test_a_key_whose_policy_leaves_access_to_iam_s_needs_grants_alone(
    key: str, principal: Any
) -> None:
    grant(key, "autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling")
    let_in(key, principal)

    assert key_words(key) == []


@pytest.mark.parametrize(
    ("principal", "effect"),
    [
        ({"AWS": "arn:aws:iam::999999999999:root"}, "Allow"),
        ({"Service": "ec2.amazonaws.com"}, "Allow"),
        (None, "Allow"),
        ("*", "Deny"),
    ],
)
def test_a_key_whose_policy_leaves_no_access_to_iam_s_is_named(
    key: str, principal: Any, effect: str
) -> None:
    grant(key, "autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling")
    let_in(key, principal, effect)

    assert key_words(key) == [
        f"nodes.kms_key: the policy of {key} leaves no access to IAM's policies of {HERE}"
        " → let the account's root use it, or name the heads' role"
    ]


def test_a_role_that_a_key_s_policy_names_needs_no_grant(key: str) -> None:
    role = "aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    let_in(key, {"AWS": [f"arn:aws:iam::{HERE}:root", f"arn:aws:iam::{HERE}:role/{role}"]})

    assert key_words(key) == []


def test_a_key_that_may_not_be_looked_at_is_no_reason_to_stop(key: str) -> None:
    words = key_words(key, Refusing("AccessDeniedException", "kms"))

    assert words == [
        f"nodes.kms_key: these credentials may not look at {key}"
        " → allow kms:DescribeKey, or see that it is enabled",
        f"nodes.kms_key: these credentials may not see who may use {key}"
        " → allow kms:ListGrants and kms:GetKeyPolicy, or see docs/access.md",
    ]


# --- File systems ---------------------------------------------------------------------------------


class Files:
    """A VPC with two subnets, and a file system in it."""

    def __init__(self) -> None:
        self.ec2, self.efs = boto3.client("ec2"), boto3.client("efs")
        self.vpc_id = a_vpc()
        self.subnets = [
            self.ec2.create_subnet(
                VpcId=self.vpc_id, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=zone
            )["Subnet"]["SubnetId"]
            for number, zone in enumerate(ZONES)
        ]
        self.group = a_security_group(self.vpc_id)
        self.id = str(self.efs.create_file_system(CreationToken="x")["FileSystemId"])

    def add_target(self, number: int) -> None:
        self.efs.create_mount_target(
            FileSystemId=self.id, SubnetId=self.subnets[number], SecurityGroups=[self.group]
        )

    def let_in(self, **source: Any) -> None:
        rule = {"IpProtocol": "tcp", "FromPort": 2049, "ToPort": 2049, **source}
        self.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[rule])

    def findings(self, foundation: Foundation, clients: Any = None, **gpu: Any) -> list[str]:
        efs = {"efs": [{"id": self.id, "mount": "/shared"}]}
        environment = an_environment(workers={"gpu": TYPE | efs | gpu})
        found = file_system_findings(
            clients or Clients("us-east-1"),
            environment,
            foundation,
            a_release_of(environment),
            lambda: ZONES,
        )
        return marked(found)

    @property
    def foundation(self) -> Foundation:
        return replace(a_foundation(), vpc_id=self.vpc_id)


@pytest.fixture
def files(world: World) -> Files:
    return Files()


def test_a_file_system_needs_a_mount_target_in_each_zone_that_mounts_it(files: Files) -> None:
    files.let_in(IpRanges=[{"CidrIp": "10.9.0.0/16"}])
    files.add_target(0)
    what = f"workers.gpu.efs: {files.id}"

    assert files.findings(files.foundation) == [
        f"!{what} has no mount target in us-east-1b"
        " → create one, or set the zones of the groups that mount it"
    ]
    assert files.findings(files.foundation, zones=["us-east-1a"]) == []
    files.add_target(1)
    assert files.findings(files.foundation) == []


def test_mount_targets_must_be_in_the_cluster_s_vpc_and_let_nodes_in(files: Files) -> None:
    what = f"workers.gpu.efs: {files.id}"
    for number in range(2):
        files.add_target(number)

    assert files.findings(a_foundation()) == [
        f"!{what} has its mount targets in {files.vpc_id}, not in vpc-1"
        " → create mount targets in the cluster's VPC",
        f"{what}: {files.group} of its mount targets let no node in"
        " → allow tcp/2049 from the nodes' addresses or security groups",
    ]
    assert files.findings(files.foundation) == [
        f"{what}: {files.group} of its mount targets let no node in"
        " → allow tcp/2049 from the nodes' addresses or security groups"
    ]


def test_mount_targets_may_let_in_the_workers_security_group(files: Files) -> None:
    workers = a_security_group(files.vpc_id, "workers")
    for number in range(2):
        files.add_target(number)
    files.let_in(UserIdGroupPairs=[{"GroupId": workers}])

    assert files.findings(replace(files.foundation, worker_security_group_id=workers)) == []


@pytest.mark.parametrize(
    ("first", "last", "admits"),
    [(2049, 2049, True), (0, 65535, True), (2000, 2048, False), (2050, 3000, False)],
)
def test_mount_targets_must_let_nodes_in_on_the_port_of_nfs(
    files: Files, first: int, last: int, admits: bool
) -> None:
    for number in range(2):
        files.add_target(number)
    files.let_in(FromPort=first, ToPort=last, IpRanges=[{"CidrIp": "10.9.0.0/16"}])

    assert (files.findings(files.foundation) == []) is admits


def test_a_rule_for_all_traffic_lets_nodes_in(files: Files) -> None:
    for number in range(2):
        files.add_target(number)
    rule = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.9.0.0/16"}]}
    files.ec2.authorize_security_group_ingress(GroupId=files.group, IpPermissions=[rule])

    assert files.findings(files.foundation) == []


def test_a_file_system_that_may_not_be_looked_at_is_no_reason_to_stop(files: Files) -> None:
    found = files.findings(files.foundation, Refusing("AccessDeniedException", "efs"))

    assert found == [
        f"workers.gpu.efs: {files.id}: these credentials may not look at it"
        " → allow elasticfilesystem:Describe*, or see that it has mount targets"
    ]
    with pytest.raises(PipelineError, match=f"looking for the file system {files.id}"):
        files.findings(files.foundation, Refusing("InternalServerError", "efs"))


def test_a_file_system_that_does_not_exist_is_named(files: Files) -> None:
    files.efs.delete_file_system(FileSystemId=files.id)

    assert files.findings(files.foundation) == [
        f"!workers.gpu.efs: {files.id}: there is no such file system → correct its id"
    ]


def test_a_file_system_with_a_policy_is_named(files: Files) -> None:
    files.let_in(IpRanges=[{"CidrIp": "10.9.0.0/16"}])
    for number in range(2):
        files.add_target(number)
    files.efs.put_file_system_policy(FileSystemId=files.id, Policy="{}")

    assert files.findings(files.foundation) == [
        f"workers.gpu.efs: {files.id} has a policy, and nodes mount it without IAM and TLS"
        " → see that its policy does not demand IAM or TLS of whoever mounts it"
    ]
