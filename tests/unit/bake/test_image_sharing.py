"""An image is shared with the account that copies it, for as long as it copies."""

from typing import Any

import pytest

from bake.image_sharing import Original, read_originals, share, stop_sharing, unshareable
from common.errors import PipelineError
from tests.unit.answers import Answers, refused

KEY, OTHER = "arn:aws:kms:us-east-1:123456789012:key/1", "arn:aws:kms:us-east-1:123456789012:key/2"
THEM, ROLE = "210987654321", "arn:aws:iam::210987654321:role/raykiln/account/raykiln-prod-bake"
ORIGINAL = Original("ami-1", "ray-head", {}, ("snap-1", "snap-2"), (KEY, OTHER), frozenset())
SHARED = ["Decrypt", "DescribeKey", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"]


def test_an_original_is_read_with_its_snapshots_keys_and_who_may_copy_it() -> None:
    aws: Any = Answers(
        describe_images={
            "Images": [
                {
                    "ImageId": "ami-1",
                    "Name": "ray-head",
                    "Tags": [{"Key": "raykiln:role", "Value": "head"}],
                    "BlockDeviceMappings": [
                        {"Ebs": {"SnapshotId": "snap-1"}},
                        {"VirtualName": "ephemeral0"},
                        {"Ebs": {"SnapshotId": "snap-2"}},
                    ],
                }
            ]
        },
        describe_snapshots={
            "Snapshots": [{"KmsKeyId": OTHER}, {"KmsKeyId": KEY}, {"KmsKeyId": KEY}, {}]
        },
        describe_image_attribute={"LaunchPermissions": [{"UserId": THEM}, {"Group": "all"}]},
        describe_snapshot_attribute=[
            {"CreateVolumePermissions": [{"UserId": THEM}]},
            {"CreateVolumePermissions": [{"UserId": "1"}]},
        ],
    )

    assert read_originals(aws, ["ami-1"]) == {
        "ami-1": Original(
            "ami-1",
            "ray-head",
            {"raykiln:role": "head"},
            ("snap-1", "snap-2"),
            (KEY, OTHER),
            frozenset({THEM, "1"}),
        )
    }
    assert aws.requests == [
        ("ec2:describe_images", {"ImageIds": ["ami-1"]}),
        ("ec2:describe_snapshots", {"SnapshotIds": ["snap-1", "snap-2"]}),
        ("ec2:describe_image_attribute", {"ImageId": "ami-1", "Attribute": "launchPermission"}),
        *(
            (
                "ec2:describe_snapshot_attribute",
                {"SnapshotId": name, "Attribute": "createVolumePermission"},
            )
            for name in ("snap-1", "snap-2")
        ),
    ]


def test_an_image_that_aws_s_own_key_encrypts_cannot_be_shared() -> None:
    aws: Any = Answers(
        describe_key=[{"KeyMetadata": {"KeyManager": who}} for who in ("CUSTOMER", "AWS")]
    )

    assert list(unshareable(aws, ORIGINAL)) == [
        "ami-1 is encrypted with AWS's own key for EBS, which no other account can use"
    ]
    assert aws.requests == [("kms:describe_key", {"KeyId": key}) for key in (KEY, OTHER)]


def snapshot(name: str, operation: str) -> tuple[str, dict[str, Any]]:
    return (
        "ec2:modify_snapshot_attribute",
        {
            "SnapshotId": name,
            "Attribute": "createVolumePermission",
            "OperationType": operation,
            "UserIds": [THEM],
        },
    )


def test_keys_and_snapshots_are_shared_before_the_image() -> None:
    aws: Any = Answers(create_grant={}, modify_snapshot_attribute={}, modify_image_attribute={})

    share(aws, ORIGINAL, THEM, ROLE)

    operations = ["CreateGrant", *SHARED, "ReEncryptFrom", "ReEncryptTo"]
    grant = {"GranteePrincipal": ROLE, "Operations": operations, "Name": "raykiln-copy"}
    assert aws.requests == [
        ("kms:create_grant", {"KeyId": KEY, **grant}),
        ("kms:create_grant", {"KeyId": OTHER, **grant}),
        snapshot("snap-1", "add"),
        snapshot("snap-2", "add"),
        (
            "ec2:modify_image_attribute",
            {"ImageId": "ami-1", "LaunchPermission": {"Add": [{"UserId": THEM}]}},
        ),
    ]


def test_only_our_grants_are_taken_back_and_the_snapshots_last() -> None:
    ours, theirs = {"GrantId": "g-1", "Name": "raykiln-copy"}, {"GrantId": "g-2"}
    aws: Any = Answers(
        list_grants=[({"Grants": [theirs]}, {"Grants": [ours]}), {"Grants": []}],
        revoke_grant={},
        modify_snapshot_attribute={},
        modify_image_attribute={},
    )

    stop_sharing(aws, ORIGINAL, THEM, ROLE)

    assert aws.requests == [
        ("kms:list_grants", {"KeyId": KEY, "GranteePrincipal": ROLE}),
        ("kms:revoke_grant", {"KeyId": KEY, "GrantId": "g-1"}),
        ("kms:list_grants", {"KeyId": OTHER, "GranteePrincipal": ROLE}),
        (
            "ec2:modify_image_attribute",
            {"ImageId": "ami-1", "LaunchPermission": {"Remove": [{"UserId": THEM}]}},
        ),
        snapshot("snap-1", "remove"),
        snapshot("snap-2", "remove"),
    ]


def test_a_refusal_names_the_image_and_the_account() -> None:
    aws: Any = Answers(create_grant=refused("ThrottlingException"))

    with pytest.raises(PipelineError, match=f"^sharing ami-1 with {THEM}"):
        share(aws, ORIGINAL, THEM, ROLE)
