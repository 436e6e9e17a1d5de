"""Find what keeps volumes from the customer key that they are to have. Reads AWS (KMS).

The heads' role gets what it needs to launch workers. Heads are launched by Auto Scaling's own role,
and spot instances by EC2's, which have no access to customer keys:
https://docs.aws.amazon.com/autoscaling/ec2/userguide/key-policy-requirements-EBS-encryption.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/service-linked-roles-spot-instance-requests.html
"""

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.environment import Environment
from deploy.plan.finding import Finding
from deploy.plan.look_up import DENIED, look_up
from deploy.release.release import Release
from node.contract import SPOT

AUTO_SCALING = "autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
EC2_SPOT = "spot.amazonaws.com/AWSServiceRoleForEC2Spot"
OPERATIONS = (
    "Encrypt Decrypt ReEncryptFrom ReEncryptTo GenerateDataKey GenerateDataKeyWithoutPlaintext "
    "DescribeKey CreateGrant"
)
AWS_KEY = "alias/aws/ebs"
PLACE = "nodes.kms_key"


def key_findings(
    clients: Clients, environment: Environment, release: Release
) -> tuple[Finding, ...]:
    """Return what would keep instances from starting with their volumes encrypted."""
    key = release.settings.kms_key
    if not key:
        return tuple(_default_key(clients))
    if key.split(":")[3] != environment.region:
        words = f"{PLACE}: {key} is not a key of {environment.region}"
        return (Finding(words, "name a key of the cluster's region", fatal=True),)
    unusable = tuple(_key(clients, key))
    if any(finding.fatal for finding in unusable):
        return unusable
    return (*unusable, *_access(clients, environment, release))


def _default_key(clients: Clients) -> Iterator[Finding]:
    """Yield the account's default key for EBS where it is a customer key: volumes would have it.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetEbsDefaultKmsKeyId.html
    """
    with translated("reading the account's default key for EBS"):
        try:
            key = str(clients("ec2").get_ebs_default_kms_key_id()["KmsKeyId"])
            if key.endswith(AWS_KEY) or _is_awss(clients, key):
                return
        except ClientError as error:
            if error_code(error) not in DENIED:
                raise
            words = "these credentials may not read the account's default key for EBS"
            yield Finding(words, "allow ec2:GetEbsDefaultKmsKeyId and kms:DescribeKey")
            return
    yield Finding(
        f"{PLACE}: the account's default key for EBS is a customer key, {key}, which heads and "
        "workers may not use: what is launched would be terminated",
        f'set [nodes] kms_key = "{key}", and what it needs follows: docs/access.md',
        fatal=True,
    )


def _is_awss(clients: Clients, key: str) -> bool:
    found = clients("kms").describe_key(KeyId=key)["KeyMetadata"]
    return bool(found["KeyManager"] == "AWS")


def _key(clients: Clients, key: str) -> Iterator[Finding]:
    answer = look_up(
        f"the key {key}",
        lambda: clients("kms").describe_key(KeyId=key),
        ("NotFoundException",),
        missing=Finding(f"{PLACE}: there is no key {key}", "correct its ARN", fatal=True),
        denied=Finding(
            f"{PLACE}: these credentials may not look at {key}",
            "allow kms:DescribeKey, or see that it is enabled",
        ),
    )
    if isinstance(answer, Finding):
        yield answer
        return
    found = answer["KeyMetadata"]
    if found["KeyState"] != "Enabled":
        yield Finding(f"{PLACE}: {key} is {found['KeyState']}", "enable it", fatal=True)
    if found.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
        words = f"{PLACE}: {key} is {found['KeySpec']}, EBS takes symmetric keys"
        yield Finding(words, "name a symmetric key", fatal=True)


def _access(clients: Clients, environment: Environment, release: Release) -> Iterator[Finding]:
    """Yield which of AWS's roles have no access, and whether IAM's policies count at all."""
    key, account = release.settings.kms_key, environment.account_id
    with translated(f"reading who may use {key}"):
        try:
            grantees = _grantees(clients, key)
            answer = clients("kms").get_key_policy(KeyId=key, PolicyName="default")
        except ClientError as error:
            if error_code(error) not in DENIED:
                raise
            words = f"{PLACE}: these credentials may not see who may use {key}"
            yield Finding(words, "allow kms:ListGrants and kms:GetKeyPolicy, or see docs/access.md")
            return
    named = _principals(json.loads(answer["Policy"]))
    if not {f"arn:{_partition(key)}:iam::{account}:root", account, "*"} & named:
        words = f"{PLACE}: the policy of {key} leaves no access to IAM's policies of {account}"
        yield Finding(words, "let the account's root use it, or name the heads' role")
    for role in _roles(release):
        arn = f"arn:{_partition(key)}:iam::{account}:role/aws-service-role/{role}"
        if arn not in grantees | named:
            hint = (
                f"aws kms create-grant --key-id {key} --grantee-principal {arn} "
                f"--operations {OPERATIONS}"
            )
            name = role.partition("/")[2]
            words = f"{PLACE}: {name} may not use {key}: what it launches would be terminated"
            yield Finding(words, hint, fatal=True)


def _roles(release: Release) -> Iterator[str]:
    yield AUTO_SCALING
    if any(SPOT in group.markets for group in release.settings.groups):
        yield EC2_SPOT


def _grantees(clients: Clients, key: str) -> set[str]:
    pages = clients("kms").get_paginator("list_grants").paginate(KeyId=key)
    return {grant["GranteePrincipal"] for page in pages for grant in page["Grants"]}


def _principals(policy: dict[str, Any]) -> set[str]:
    """Return whom the policy's statements that allow something name."""
    found: set[str] = set()
    for statement in policy["Statement"]:
        principal = statement.get("Principal", {})
        named = principal.get("AWS", []) if isinstance(principal, dict) else principal
        if statement["Effect"] == "Allow":
            found |= {named} if isinstance(named, str) else set(named)
    return found


def _partition(arn: str) -> str:
    return arn.split(":")[1]
