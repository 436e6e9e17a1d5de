"""Each role's neighbours are denied: what is just beside what it may do.

``MAY`` is what a role must be allowed, ``MAY_NOT`` what it must not; both are held against the
policies of the template, evaluated as IAM does. What the deploy role really calls is in
``test_deploy_role.py``.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.patches.cloudformation.template import parse
from localcloud.patches.iam import role_decides
from localcloud.patches.iam.policies import Answer
from tests.unit.deploy.account.conftest import Account, with_old_packer
from tests.unit.deploy.account.neighbours import (
    BOUNDARY,
    EC2,
    HERE,
    OTHER,
    OURS,
    POLICY,
    ROLE,
    THEIRS,
    VIA,
    Keys,
    Try,
    actions_of,
)
from tests.unit.localcloud.fakes import FakeClock

ROOT = Path(__file__).resolve().parents[4]
BAKING: Keys = {"aws:RequestTag/raykiln:bake": "host-1"}
BAKED: Keys = {"aws:ResourceTag/raykiln:bake": "host-1"}
# Of what exists: this makes it one of ours.
CLAIMING: Keys = {"aws:RequestTag/raykiln:digest": "0"}
AT_CREATION: Keys = {"ec2:CreateAction": "RunInstances"}
INTO_A_CLUSTER: Keys = {"aws:RequestTag/raykiln:environment": "dev"}
DIGEST: Keys = {"aws:ResourceTag/raykiln:digest": "0"}
DEBIAN: Keys = {"ec2:Owner": "136693071363"}
MINE: Keys = {"ec2:Owner": "123456789012"}
IMAGE = "arn:aws:ec2:us-east-1::image/ami-1"
SNAPSHOT = "arn:aws:ec2:us-east-1::snapshot/snap-1"
INSTANCE, GROUP = f"{EC2}:instance/i-1", f"{EC2}:security-group/sg-1"
BOUNDED: Keys = {"iam:PermissionsBoundary": BOUNDARY}
TO_EC2: Keys = {"iam:PassedToService": "ec2.amazonaws.com"}
HEADS: Keys = {
    "ssm:resourceTag/raykiln:environment": "dev",
    "ssm:resourceTag/raykiln:role": "head",
    "ssm:SessionDocumentAccessCheck": "true",
    **OURS,
}
SSM, ACCOUNTS_SSM = "arn:aws:ssm:us-east-1:", f"arn:aws:ssm:{HERE}"
BUDGET = "arn:aws:budgets::123456789012:budget"
TABLE = f"arn:aws:dynamodb:{HERE}:table"
SECRET = f"{ACCOUNTS_SSM}:parameter/ray"
BUCKET = "arn:aws:s3:::raykiln-dev-123456789012-us-east-1"
CHANNEL = f"{ACCOUNTS_SSM}:parameter/raykiln/images"
LOGS = f"arn:aws:logs:{HERE}:log-group"
STACK = f"arn:aws:cloudformation:{HERE}:stack"
HEAD_GROUP = f"arn:aws:autoscaling:{HERE}:autoScalingGroup:*:autoScalingGroupName"
RECORDS = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
# What no role may do: become an administrator, or change what limits it.
NO_ROLE = (
    Try("iam:CreateUser", "arn:aws:iam::123456789012:user/me", VIA),
    Try("iam:CreateAccessKey", "arn:aws:iam::123456789012:user/me"),
    Try("iam:CreatePolicyVersion", BOUNDARY, VIA),
    Try("iam:SetDefaultPolicyVersion", BOUNDARY, VIA),
    Try("iam:DeletePolicy", BOUNDARY, VIA),
    Try("iam:DeleteRolePermissionsBoundary", f"{ROLE}/raykiln-dev-HeadRole-1", VIA | BOUNDED),
    Try("iam:AttachRolePolicy", f"{ROLE}/raykiln/account/raykiln-dev-deploy", VIA | BOUNDED),
    Try("iam:PutRolePolicy", f"{ROLE}/raykiln/account/raykiln-dev-bake", VIA | BOUNDED),
    Try("iam:UpdateAssumeRolePolicy", f"{ROLE}/raykiln/account/raykiln-dev-deploy", VIA),
    Try("iam:PassRole", f"{ROLE}/raykiln/account/raykiln-dev-deploy", TO_EC2),
    Try("iam:PassRole", f"{ROLE}/somebody-else", TO_EC2),
    Try("sts:AssumeRole", f"{ROLE}/raykiln/account/raykiln-prod-deploy"),
    Try("cloudformation:DeleteStack", f"{STACK}/raykiln-dev-account/1"),
    Try("cloudformation:ListStackResources", f"{STACK}/raykiln-prod/1"),
    Try("pricing:GetPriceListFileUrl", "*"),
    Try("budgets:ModifyBudget", f"{BUDGET}/raykiln-dev-0a1b2c3d"),
    Try("budgets:ModifyBudget", f"{BUDGET}/raykiln-prod-0a1b2c3d", VIA),
    Try("budgets:ViewBudget", f"{BUDGET}/of-the-company", VIA),
    Try("cloudformation:ExecuteChangeSet", f"{STACK}/raykiln-prod/1"),
    Try("ec2:CreateVpc", f"{EC2}:vpc/*"),
    Try("ec2:DeleteVpc", f"{EC2}:vpc/vpc-1", VIA),
    Try("ec2:TerminateInstances", INSTANCE),
    Try("ec2:TerminateInstances", INSTANCE, THEIRS),
    Try("ec2:TerminateInstances", INSTANCE, THEIRS | BAKED),
    Try("ec2:DeregisterImage", IMAGE),
    Try("ec2:CreateTags", INSTANCE, {"aws:RequestTag/raykiln:environment": "dev"}),
    Try("s3:GetObject", "arn:aws:s3:::somebody-elses/object"),
    Try("s3:PutBucketPolicy", BUCKET),
    Try("dynamodb:DeleteTable", f"{TABLE}/raykiln-lease-dev"),
    Try("dynamodb:GetItem", f"{TABLE}/raykiln-lease-prod"),
    Try("ssm:GetParameter", f"{SECRET}/prod/redis_password"),
    Try("ssm:SendCommand", INSTANCE, {"ssm:resourceTag/raykiln:environment": "prod", **THEIRS}),
    Try("kms:Decrypt", f"arn:aws:kms:{HERE}:key/1"),
    Try("organizations:LeaveOrganization", "*"),
    Try("cloudtrail:StopLogging", "*"),
)
STARTED_BY = "ssm:resourceTag/aws:ssmmessages:session-id"
MY_SESSION: Keys = {"aws:userid": "AROA1:somebody", STARTED_BY: "AROA1:somebody"}
OWN_SESSIONS = (
    Try("ssm:TerminateSession", f"{ACCOUNTS_SSM}:session/somebody-1", MY_SESSION),
    Try("ssm:ResumeSession", f"{ACCOUNTS_SSM}:session/somebody-1", MY_SESSION),
)
# Of whoever has sessions: another person's, account's or region's, and what an agent does.
OTHERS_SESSIONS = (
    Try(
        "ssm:TerminateSession",
        f"{ACCOUNTS_SSM}:session/another-1",
        MY_SESSION | {STARTED_BY: "AROA1:another"},
    ),
    Try(
        "ssm:ResumeSession",
        f"{ACCOUNTS_SSM}:session/another-1",
        MY_SESSION | {STARTED_BY: "AROA1:another"},
    ),
    Try("ssm:TerminateSession", f"{ACCOUNTS_SSM}:session/somebody-1", {"aws:userid": "AROA1:x"}),
    Try("ssmmessages:OpenDataChannel", "arn:aws:ssm:us-east-1:999999999999:session/somebody-1"),
    Try("ssmmessages:OpenDataChannel", "arn:aws:ssm:eu-west-1:123456789012:session/somebody-1"),
    Try("ssmmessages:OpenControlChannel", "*"),
    Try("ssmmessages:CreateDataChannel", "*"),
)

MAY: dict[str, tuple[Try, ...]] = {
    "bake": (
        Try("ec2:DescribeImages", "*"),
        Try("pricing:GetProducts", "*"),
        Try("servicequotas:GetServiceQuota", "*"),
        Try("ec2:RunInstances", IMAGE, DEBIAN),
        Try("ec2:RunInstances", IMAGE, MINE | DIGEST),
        Try("ec2:RunInstances", f"{EC2}:instance/*", BAKING),
        Try("ec2:RunInstances", f"{EC2}:volume/*"),
        Try("ec2:RunInstances", f"{EC2}:network-interface/*"),
        Try("ec2:RunInstances", f"{EC2}:subnet/subnet-1"),
        Try("ec2:RunInstances", GROUP, BAKED),
        Try("ec2:RunInstances", f"{EC2}:key-pair/raykiln-bake-head-1"),
        Try("ec2:CreateTags", f"{EC2}:instance/*", {"ec2:CreateAction": "RunInstances"}),
        Try("ec2:CreateTags", f"{EC2}:key-pair/raykiln-1", BAKING | AT_CREATION),
        Try(
            "ec2:CreateTags",
            IMAGE.replace("ami-1", "*"),
            BAKING | {"ec2:CreateAction": "CopyImage"},
        ),
        Try("ec2:CreateTags", IMAGE, CLAIMING | BAKED),
        Try("ec2:CreateTags", SNAPSHOT, CLAIMING | BAKED),
        Try("ec2:CreateTags", IMAGE, DIGEST | {"aws:RequestTag/raykiln:verified": "now"}),
        Try("ec2:DeleteTags", IMAGE, DIGEST),
        Try("ec2:CreateImage", INSTANCE, BAKED),
        Try("ec2:CreateImage", "arn:aws:ec2:us-east-1::image/*"),
        Try("ec2:CreateImage", "arn:aws:ec2:us-east-1::snapshot/*"),
        Try("ec2:StopInstances", INSTANCE, BAKED),
        Try("ec2:TerminateInstances", INSTANCE, BAKED),
        Try("ec2:ModifyInstanceMetadataOptions", INSTANCE, BAKED),
        Try("ec2:ModifyInstanceAttribute", INSTANCE, BAKED),
        Try("ec2:ModifyImageAttribute", IMAGE, DIGEST),
        Try("ec2:EnableImageDeprecation", IMAGE, DIGEST),
        Try("ec2:DeregisterImage", IMAGE, DIGEST),
        Try("ec2:ModifyImageAttribute", IMAGE, BAKED),
        Try("ec2:EnableImageDeprecation", IMAGE, BAKED),
        Try("ec2:DeregisterImage", IMAGE, BAKED),
        Try("ec2:DeleteSnapshot", SNAPSHOT, BAKED),
        Try("ec2:CreateKeyPair", f"{EC2}:key-pair/raykiln-test-1", BAKING),
        Try("ec2:DeleteKeyPair", f"{EC2}:key-pair/raykiln-test-1", BAKED),
        Try("ec2:CreateSecurityGroup", f"{EC2}:security-group/*", BAKING),
        Try("ec2:CreateSecurityGroup", f"{EC2}:vpc/vpc-1"),
        Try("ec2:AuthorizeSecurityGroupIngress", GROUP, BAKED),
        Try("ec2:DeleteSecurityGroup", GROUP, BAKED),
        Try("ssm:GetParameters", f"{CHANNEL}/dev/head"),
        Try("ssm:GetParameterHistory", f"{CHANNEL}/dev/worker-gpu"),
        Try("ssm:PutParameter", f"{CHANNEL}/dev/head"),
        Try("ssm:GetParameterHistory", f"{CHANNEL}/{OTHER}/head"),
        Try("ssm:GetParametersByPath", CHANNEL),
        Try("s3:GetObject", f"{BUCKET}/dev/releases/current.json"),
        Try("s3:ListBucket", BUCKET, {"s3:prefix": "dev/rollouts/"}),
        Try("ec2:DeleteSnapshot", SNAPSHOT, DIGEST),
        Try("ec2:ListImagesInRecycleBin", "*"),
    ),
    "deploy": (
        Try("ssm:GetParameters", f"{CHANNEL}/dev/head"),
        Try("cloudformation:ExecuteChangeSet", f"{STACK}/raykiln-dev/1"),
        Try("cloudformation:ListStackResources", f"{STACK}/raykiln-dev/1"),
        Try("ec2:DescribeVolumes", "*"),
        Try("ec2:DescribeVpcEndpoints", "*"),
        Try("pricing:GetProducts", "*"),
        Try("budgets:ModifyBudget", f"{BUDGET}/raykiln-dev-0a1b2c3d", VIA),
        Try("cloudformation:CreateChangeSet", f"{STACK}/raykiln-dev-nodes/*"),
        Try("cloudformation:CreateChangeSet", f"{STACK}/ray-documents-dev/*"),
        Try("iam:CreateRole", f"{ROLE}/raykiln-dev-HeadRole-1", VIA | BOUNDED),
        Try("iam:CreateRole", f"{ROLE}/raykiln/dev/workers/raykiln-dev-nodes-1", VIA | BOUNDED),
        Try("iam:PassRole", f"{ROLE}/raykiln-dev-HeadRole-1", TO_EC2),
        Try(
            "iam:PassRole",
            f"{ROLE}/ray-documents-dev-TaskRole-1",
            {"iam:PassedToService": "ecs-tasks.amazonaws.com"},
        ),
        Try("ec2:TerminateInstances", INSTANCE, OURS),
        Try("ec2:CreateTags", INSTANCE, OURS | {"aws:TagKeys": "raykiln:autoscaler"}),
        Try("autoscaling:UpdateAutoScalingGroup", f"{HEAD_GROUP}/ray-head-asg-dev"),
        Try("s3:PutObject", f"{BUCKET}/dev/releases/1.json"),
        Try("ssm:PutParameter", f"{SECRET}/dev/redis_password"),
        Try("ssm:GetParameter", f"{SECRET}/dev/state_password"),
        Try("ssm:PutParameter", f"{SECRET}/dev/state_password"),
        Try("s3:PutObject", f"{BUCKET}/dev/token/1"),
        Try("s3:DeleteObjectVersion", f"{BUCKET}/dev/token/1"),
        Try("ssm:SendCommand", f"{SSM}:document/AWS-RunShellScript"),
        Try("ssm:SendCommand", INSTANCE, HEADS),
        Try("ssm:StartSession", INSTANCE, HEADS),
        Try("ssmmessages:OpenDataChannel", f"{ACCOUNTS_SSM}:session/somebody-1"),
        Try("ssmmessages:OpenDataChannel", f"{ACCOUNTS_SSM}:session/ecs-execute-command-1"),
        *OWN_SESSIONS,
        Try("ssm:CancelCommand", "*"),
        Try(
            "route53:ChangeResourceRecordSets",
            "arn:aws:route53:::hostedzone/Z1",
            VIA | {RECORDS: "ray-head.dev.ray.internal"},
        ),
        Try(
            "iam:CreateServiceLinkedRole",
            f"{ROLE}/aws-service-role/spot.amazonaws.com/*",
            {"iam:AWSServiceName": "spot.amazonaws.com"},
        ),
        Try("ecr:PutImage", f"arn:aws:ecr:{HERE}:repository/ray-documents-dev"),
        Try("ecs:UpdateService", f"arn:aws:ecs:{HERE}:service/ray-documents-dev/web"),
        Try("ecs:ExecuteCommand", f"arn:aws:ecs:{HERE}:cluster/ray-documents-dev"),
        Try("ecs:ExecuteCommand", f"arn:aws:ecs:{HERE}:task/ray-documents-dev/0a1b"),
        Try("sqs:SendMessage", f"arn:aws:sqs:{HERE}:ray-documents-dev"),
    ),
    "scientist": (
        Try("ec2:DescribeInstances", "*"),
        Try("dynamodb:GetItem", f"{TABLE}/raykiln-lease-dev", {"dynamodb:LeadingKeys": "dev"}),
        Try("ssm:GetParameter", f"{SECRET}/dev/redis_password"),
        Try("ssm:StartSession", INSTANCE, HEADS),
        Try("ssm:StartSession", f"{SSM}:document/AWS-StartPortForwardingSession", HEADS),
        Try("ssmmessages:OpenDataChannel", f"{ACCOUNTS_SSM}:session/somebody-1"),
        *OWN_SESSIONS,
        Try("logs:FilterLogEvents", f"{LOGS}:/raykiln/dev/head:log-stream:"),
        Try("logs:GetLogEvents", f"{LOGS}:/raykiln/dev/worker:log-stream:i-1"),
        Try("logs:FilterLogEvents", f"{LOGS}:/raykiln/dev/jobs:log-stream:"),
    ),
}

MAY_NOT: dict[str, tuple[Try, ...]] = {
    "bake": (
        *NO_ROLE,
        Try("ec2:RunInstances", IMAGE, {"ec2:Owner": "999999999999"}),
        Try("ec2:RunInstances", IMAGE, MINE),
        Try("ec2:RunInstances", f"{EC2}:instance/*"),
        Try("ec2:RunInstances", GROUP),
        Try("ec2:RunInstances", GROUP, OURS),
        Try("ec2:RunInstances", f"{EC2}:key-pair/theirs"),
        Try("ec2:CreateTags", f"{EC2}:volume/vol-1", BAKING),
        Try("ec2:CreateTags", GROUP, BAKING),
        Try("ec2:CreateTags", GROUP, BAKING | OURS),
        Try("ec2:CreateTags", f"{EC2}:key-pair/raykiln-1", BAKING),
        Try("ec2:CreateTags", INSTANCE, BAKING),
        Try("ec2:CreateTags", IMAGE, BAKING),
        Try("ec2:CreateTags", SNAPSHOT, BAKING),
        Try("ec2:CreateTags", IMAGE, {"aws:RequestTag/raykiln:verified": "now"}),
        Try("ec2:CreateTags", f"{EC2}:instance/*", AT_CREATION | INTO_A_CLUSTER),
        Try("ec2:CreateTags", IMAGE, CLAIMING | {"aws:ResourceTag/Name": "theirs"}),
        Try("ec2:CreateTags", SNAPSHOT, CLAIMING | {"aws:ResourceTag/Name": "theirs"}),
        Try("ec2:CreateTags", IMAGE, CLAIMING | {"aws:ResourceTag/CreatedBy": "EC2 Image Builder"}),
        Try(
            "ec2:CreateTags",
            SNAPSHOT,
            CLAIMING | {"aws:ResourceTag/aws:backup:source-resource": "v"},
        ),
        Try(
            "ec2:CreateTags",
            SNAPSHOT,
            CLAIMING | {"aws:ResourceTag/aws:dlm:lifecycle-policy-id": "p"},
        ),
        Try("ec2:CreateTags", IMAGE, CLAIMING | OURS),
        Try("ec2:CreateImage", INSTANCE),
        Try("ec2:CreateImage", INSTANCE, OURS),
        Try("ec2:StopInstances", INSTANCE, OURS),
        Try("ec2:ModifyInstanceAttribute", INSTANCE, OURS),
        Try("ec2:TerminateInstances", INSTANCE, OURS),
        Try("ec2:DeleteTags", IMAGE),
        Try("ec2:EnableImageDeprecation", IMAGE),
        Try("ec2:DeleteSnapshot", SNAPSHOT),
        Try("ec2:ModifyImageAttribute", IMAGE),
        Try("ec2:ModifyImageAttribute", IMAGE, {"aws:ResourceTag/Name": "theirs"}),
        Try("ec2:ModifySnapshotAttribute", SNAPSHOT, DIGEST),
        Try("ec2:CopyImage", IMAGE, DIGEST),
        Try("ec2:DisableImage", IMAGE, BAKED),
        Try("ec2:DeleteVolume", f"{EC2}:volume/vol-1"),
        Try("ec2:CreateKeyPair", f"{EC2}:key-pair/raykiln-1"),
        Try("ec2:CreateKeyPair", f"{EC2}:key-pair/theirs", BAKING),
        Try("ec2:DeleteKeyPair", f"{EC2}:key-pair/raykiln-1"),
        Try("ec2:DeleteKeyPair", f"{EC2}:key-pair/theirs"),
        Try("ec2:CreateSecurityGroup", f"{EC2}:security-group/*"),
        Try("ec2:DeleteSecurityGroup", GROUP),
        Try("ec2:AuthorizeSecurityGroupIngress", GROUP),
        Try("ec2:DeleteSecurityGroup", GROUP, OURS),
        Try("ec2:AuthorizeSecurityGroupIngress", GROUP, OURS),
        Try("iam:PassRole", f"{ROLE}/raykiln-dev-HeadRole-1", TO_EC2),
        Try("ssmmessages:OpenDataChannel", f"{ACCOUNTS_SSM}:session/somebody-1"),
        Try("ssm:GetParameter", f"{SECRET}/dev/redis_password"),
        Try("ssm:GetParameter", f"{SECRET}/dev/state_password"),
        Try("ssm:GetParameters", f"{CHANNEL}/{OTHER}/head"),
        Try("ssm:GetParametersByPath", f"{ACCOUNTS_SSM}:parameter/raykiln"),
        Try("ssm:GetParameterHistory", f"{SECRET}/dev/redis_password"),
        Try("ssm:PutParameter", f"{CHANNEL}/{OTHER}/head"),
        Try("ssm:PutParameter", f"{CHANNEL}/dev-eu/head"),
        Try("ssm:DeleteParameter", f"{CHANNEL}/dev/head"),
        Try("s3:GetObject", f"{BUCKET}/dev/autoscaler/0.yaml"),
        Try("s3:GetObject", f"{BUCKET}/{OTHER}/releases/current.json"),
        Try("s3:ListBucket", BUCKET.replace("dev", OTHER)),
        Try("s3:PutObject", f"{BUCKET}/dev/releases/current.json"),
        Try("s3:PutObject", f"{BUCKET}/dev/current.json"),
        Try("autoscaling:UpdateAutoScalingGroup", f"{HEAD_GROUP}/ray-head-asg-dev"),
        Try("cloudformation:ExecuteChangeSet", f"{STACK}/raykiln-dev/1"),
    ),
    "deploy": (
        *NO_ROLE,
        Try("ssm:PutParameter", f"{CHANNEL}/dev/head"),
        Try("ssm:GetParameterHistory", f"{CHANNEL}/dev/head"),
        Try("ssm:GetParameters", f"{CHANNEL}/{OTHER}/head"),
        Try("iam:CreateRole", f"{ROLE}/raykiln-dev-HeadRole-1", VIA),
        Try("iam:CreateRole", f"{ROLE}/raykiln-dev-HeadRole-1", BOUNDED),
        Try(
            "iam:CreateRole",
            f"{ROLE}/raykiln-dev-HeadRole-1",
            VIA | {"iam:PermissionsBoundary": f"{POLICY}/AnotherBoundary"},
        ),
        Try("iam:CreateRole", f"{ROLE}/raykiln-prod-HeadRole-1", VIA | BOUNDED),
        Try("iam:AttachRolePolicy", f"{ROLE}/raykiln-dev-HeadRole-1", VIA),
        Try("iam:CreatePolicy", f"{POLICY}/somebody-elses", VIA),
        Try(
            "iam:PassRole",
            f"{ROLE}/raykiln-dev-HeadRole-1",
            {"iam:PassedToService": "glue.amazonaws.com"},
        ),
        Try("iam:PassRole", f"{ROLE}/raykiln-prod-HeadRole-1", TO_EC2),
        Try("iam:DeleteRole", f"{ROLE}/raykiln-dev-eu-HeadRole-1", VIA | THEIRS),
        Try(
            "iam:CreateServiceLinkedRole",
            f"{ROLE}/aws-service-role/guardduty.amazonaws.com/*",
            {"iam:AWSServiceName": "guardduty.amazonaws.com"},
        ),
        Try("cloudformation:DeleteStack", f"{STACK}/raykiln-dev-eu/1"),
        Try("autoscaling:DeleteAutoScalingGroup", f"{HEAD_GROUP}/ray-head-asg-prod"),
        Try("ec2:RunInstances", f"{EC2}:instance/*"),
        Try("ec2:RunInstances", f"{EC2}:launch-template/lt-1", THEIRS),
        Try("ec2:CreateTags", INSTANCE, OURS | {"aws:TagKeys": "raykiln:environment"}),
        Try("ec2:DeleteLaunchTemplate", f"{EC2}:launch-template/lt-1", THEIRS),
        Try("ec2:DeleteSecurityGroup", GROUP, VIA | THEIRS),
        Try("ec2:DeleteSecurityGroup", GROUP, OURS),
        Try("ec2:DeregisterImage", IMAGE, DIGEST),
        Try("ec2:CreateImage", INSTANCE, OURS),
        Try("s3:GetObject", "arn:aws:s3:::raykiln-prod-123456789012-us-east-1/prod/current.json"),
        Try("s3:GetObject", f"{BUCKET}/prod/releases/1.json"),
        Try("ssm:SendCommand", f"{SSM}:document/AWS-RunPowerShellScript"),
        *OTHERS_SESSIONS,
        Try(
            "route53:ChangeResourceRecordSets",
            "arn:aws:route53:::hostedzone/Z1",
            VIA | {RECORDS: "www.example.com"},
        ),
        Try("sqs:DeleteQueue", f"arn:aws:sqs:{HERE}:orders"),
        Try("sns:Publish", f"arn:aws:sns:{HERE}:raykiln-prod"),
        Try("logs:DeleteLogGroup", f"{LOGS}:/raykiln/dev/head"),
        Try("ecr:PutImage", f"arn:aws:ecr:{HERE}:repository/ray-documents-prod"),
        Try("ecs:ExecuteCommand", f"arn:aws:ecs:{HERE}:cluster/ray-documents-prod"),
        Try("ecs:ExecuteCommand", f"arn:aws:ecs:{HERE}:task/ray-documents-prod/0a1b"),
        Try("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{HERE}:secret:db-abcdef"),
    ),
    "scientist": (
        *NO_ROLE,
        Try(
            "dynamodb:GetItem", f"{TABLE}/raykiln-lease-dev", {"dynamodb:LeadingKeys": "dev#deploy"}
        ),
        Try("dynamodb:UpdateItem", f"{TABLE}/raykiln-lease-dev", {"dynamodb:LeadingKeys": "dev"}),
        Try("ssm:GetParameters", f"{CHANNEL}/dev/head"),
        Try("ssm:PutParameter", f"{SECRET}/dev/redis_password"),
        Try("s3:PutObject", f"{BUCKET}/dev/token/1"),
        Try("ssm:SendCommand", INSTANCE, HEADS),
        Try("ssm:SendCommand", f"{SSM}:document/AWS-RunShellScript"),
        Try("ecs:ExecuteCommand", f"arn:aws:ecs:{HERE}:task/ray-documents-dev/0a1b"),
        Try("ssm:StartSession", INSTANCE, HEADS | {"ssm:resourceTag/raykiln:role": "worker"}),
        Try("ssm:StartSession", INSTANCE, HEADS | {"ssm:SessionDocumentAccessCheck": "false"}),
        Try("ssm:StartSession", f"{ACCOUNTS_SSM}:document/SSM-SessionManagerRunShell", HEADS),
        *OTHERS_SESSIONS,
        Try("ec2:TerminateInstances", INSTANCE, OURS),
        Try("ec2:RunInstances", f"{EC2}:instance/*"),
        Try("ec2:GetConsoleOutput", INSTANCE, OURS),
        Try("s3:GetObject", f"{BUCKET}/dev/current.json"),
        Try("autoscaling:SetInstanceHealth", f"{HEAD_GROUP}/ray-head-asg-dev"),
        Try("cloudformation:DescribeStacks", f"{STACK}/raykiln-dev/1"),
        Try("cloudwatch:SetAlarmState", f"arn:aws:cloudwatch:{HERE}:alarm:raykiln-dev-no-leader"),
        Try("logs:GetLogEvents", f"{LOGS}:/raykiln/prod/head:log-stream:i-1"),
        Try("logs:DeleteLogGroup", f"{LOGS}:/raykiln/dev/head"),
    ),
}


# What the bake role may only where Packer 1.6.6 bakes.
WITH_OLD_PACKER = (
    Try("ec2:CreateTags", IMAGE, CLAIMING),
    # As rules of accounts tag what anyone makes.
    Try("ec2:CreateTags", IMAGE, CLAIMING | {"aws:ResourceTag/CreatedBy": "a-person"}),
    Try("ec2:CreateTags", SNAPSHOT, CLAIMING),
)


def wrong(kind: str, tries: tuple[Try, ...], allowed: bool) -> Iterator[str]:
    """Yield what a role is denied though it must be allowed, or the other way round."""
    for one in tries:
        answer = role_decides(f"raykiln-dev-{kind}", one.check)
        if (answer is Answer.ALLOWED) is not allowed:
            yield f"{one.action} {one.resource} {one.keys}"


@pytest.mark.parametrize("kind", ["bake", "deploy", "scientist"])
def test_a_role_may_what_it_needs(account: Account, kind: str) -> None:
    assert list(wrong(kind, MAY[kind], allowed=True)) == []


def test_the_page_about_connecting_lists_what_a_data_scientist_may() -> None:
    template = parse((ROOT / "deploy/account/template.yaml").read_text())
    page = (ROOT / "docs/connect.md").read_text().partition("## What it may do")[2]
    rows = re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE)
    named = [action for row in rows for action in re.findall(r"`(.+?)`", row)]

    assert sorted(named) == sorted(set(actions_of(template["Resources"]["ScientistPolicy"])))


@pytest.mark.parametrize("kind", ["bake", "deploy", "scientist"])
def test_a_role_may_nothing_beside(account: Account, kind: str) -> None:
    assert list(wrong(kind, MAY_NOT[kind], allowed=False)) == []


def test_what_has_no_tags_is_tagged_only_where_packer_1_6_6_bakes(
    account: Account, clock: FakeClock
) -> None:
    assert list(wrong("bake", WITH_OLD_PACKER, allowed=False)) == []

    with_old_packer(account, clock)

    assert list(wrong("bake", WITH_OLD_PACKER, allowed=True)) == []
    assert list(wrong("bake", MAY["bake"], allowed=True)) == []
    assert list(wrong("bake", MAY_NOT["bake"], allowed=False)) == []
