"""The statements of IAM policies for people's own data and keys. Pure: no AWS."""

from collections.abc import Iterable, Iterator
from typing import Any

from deploy.foundation.node_needs import NodeNeeds

Statement = dict[str, Any]

# An upload in parts is one write for whoever uploads:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
# Ray deletes checkpoints that it does not keep: train/v2/_internal/execution/checkpoint/
# checkpoint_manager.py, Ray 2.60.
WRITES = (
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
)
# What a launch does with a customer key in the caller's name:
# https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html
KEY_USES = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncrypt*",
)


def data_statements(needs: NodeNeeds) -> list[Statement]:
    """Return what nodes may do with objects in S3, and nothing else."""
    found: list[Statement] = []
    if needs.s3_read:
        found.append(_objects("ReadObjects", ("s3:GetObject",), needs.s3_read))
        found += _lists(needs.s3_read)
    if needs.s3_write:
        found.append(_objects("WriteObjects", WRITES, needs.s3_write))
    return found


def key_statements(keys: tuple[str, ...]) -> list[Statement]:
    """Return what whoever launches instances needs for volumes under customer keys.

    Only EC2 may use the keys in the caller's name:
    https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
    """
    if not keys:
        return []
    by_ec2 = {"kms:ViaService": {"Fn::Sub": "ec2.${AWS::Region}.amazonaws.com"}}
    return [
        _allow("UseTheKeysOfVolumes", KEY_USES, list(keys), StringEquals=by_ec2),
        _allow(
            "LetVolumesUseTheKeys",
            ("kms:CreateGrant",),
            list(keys),
            StringEquals=by_ec2,
            Bool={"kms:GrantIsForAWSResource": "true"},
        ),
    ]


def launch_statements(resources: Iterable[str]) -> list[Statement]:
    """Return that a head may launch workers with these resources: ``kind/id``, ids as Fn::Sub."""
    prefix = "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:"
    arns = [{"Fn::Sub": prefix + resource} for resource in resources]
    return [_allow("LaunchWithWhatTheGroupsHave", ("ec2:RunInstances",), arns)] if arns else []


def _objects(sid: str, actions: tuple[str, ...], objects: tuple[str, ...]) -> Statement:
    return _allow(sid, actions, [_s3(one) for one in objects])


def _lists(objects: tuple[str, ...]) -> Iterator[Statement]:
    """Yield what lists each bucket, below the prefixes that may be read.

    A request without a prefix has no such key, and a condition on it would refuse the listing of a
    whole bucket that may be read as a whole:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html
    """
    prefixes: dict[str, list[str]] = {}
    for one in objects:
        bucket, _, key = one.partition("/")
        prefixes.setdefault(bucket, []).append(key)
    for number, (bucket, keys) in enumerate(prefixes.items()):
        condition = {} if "*" in keys else {"StringLike": {"s3:prefix": keys}}
        yield _allow(f"ListBucket{number}", ("s3:ListBucket",), [_s3(bucket)], **condition)


def _s3(name: str) -> dict[str, str]:
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::{name}"}


def _allow(sid: str, actions: tuple[str, ...], resources: list[Any], **condition: Any) -> Statement:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": resources,
        **({"Condition": condition} if condition else {}),
    }
