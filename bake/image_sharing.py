"""Let another account copy an image of this one, and take that back. Changes AWS (EC2, KMS).

An account copies an image only while the image's owner shares with it the image, its snapshots, and
the keys that these are encrypted with:
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/CopyingAMIs.html
https://docs.aws.amazon.com/ebs/latest/userguide/ebs-modifying-snapshot-permissions.html
https://docs.aws.amazon.com/ebs/latest/userguide/share-kms-key.html
A key is shared by a grant, which leaves the key's policy alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from common.clients import Clients, translated

# Of share-kms-key.html, as a grant names them:
# https://docs.aws.amazon.com/kms/latest/developerguide/grants.html#terms-grant-operations
OPERATIONS = (
    "CreateGrant",
    "Decrypt",
    "DescribeKey",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
)
GRANT = "raykiln-copy"


@dataclass(frozen=True)
class Original:
    """An image to copy, as its owner sees it.

    ``title`` is the AMI's name, ``snapshots`` have its content, ``keys`` are the ARNs of the keys
    that these are encrypted with. ``shared_with`` are the accounts that may copy it now, or that
    have a part of what that takes.
    """

    ami_id: str
    title: str
    tags: Mapping[str, str]
    snapshots: tuple[str, ...]
    keys: tuple[str, ...]
    shared_with: frozenset[str]


def read_originals(clients: Clients, ami_ids: Iterable[str]) -> dict[str, Original]:
    """Return images of this account by their ids."""
    ids = list(ami_ids)
    with translated(f"reading {', '.join(ids)}"):
        entries = clients("ec2").describe_images(ImageIds=ids)["Images"]
    return {entry["ImageId"]: _original(clients, entry) for entry in entries}


def _original(clients: Clients, entry: Mapping[str, Any]) -> Original:
    ami_id = str(entry["ImageId"])
    mappings = [one["Ebs"] for one in entry["BlockDeviceMappings"] if "Ebs" in one]
    snapshots = tuple(str(one["SnapshotId"]) for one in mappings)
    ec2 = clients("ec2")
    with translated(f"reading with whom {ami_id} is shared"):
        found = ec2.describe_snapshots(SnapshotIds=list(snapshots))["Snapshots"]
        asked = {"ImageId": ami_id, "Attribute": "launchPermission"}
        allowed = list(ec2.describe_image_attribute(**asked)["LaunchPermissions"])
        for name in snapshots:
            asked = {"SnapshotId": name, "Attribute": "createVolumePermission"}
            allowed += ec2.describe_snapshot_attribute(**asked)["CreateVolumePermissions"]
    return Original(
        ami_id=ami_id,
        title=str(entry["Name"]),
        tags={tag["Key"]: tag["Value"] for tag in entry.get("Tags", [])},
        snapshots=snapshots,
        keys=tuple(sorted({one["KmsKeyId"] for one in found if one.get("KmsKeyId")})),
        shared_with=frozenset(one["UserId"] for one in allowed if "UserId" in one),
    )


def unshareable(clients: Clients, original: Original) -> Iterator[str]:
    """Yield why no other account could copy an image: "You can't share snapshots that are encrypted
    with the default AWS managed key" (ebs-modifying-snapshot-permissions.html).
    """
    for key in original.keys:
        with translated(f"reading the key {key}"):
            manager = clients("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyManager"]
        if manager == "AWS":
            yield (
                f"{original.ami_id} is encrypted with AWS's own key for EBS, which no other "
                "account can use"
            )


def share(clients: Clients, original: Original, account: str, grantee: str) -> None:
    """Let an account copy an image, by its role ``grantee`` (an ARN). Can be run again."""
    ec2 = clients("ec2")
    with translated(f"sharing {original.ami_id} with {account}"):
        for key in original.keys:
            # The same name and grantee again: the same grant (API_CreateGrant.html).
            clients("kms").create_grant(
                KeyId=key, GranteePrincipal=grantee, Operations=list(OPERATIONS), Name=GRANT
            )
        for name in original.snapshots:
            _permit(clients, name, "add", account)
        # Last, as it shows that the rest is there.
        permission = {"Add": [{"UserId": account}]}
        ec2.modify_image_attribute(ImageId=original.ami_id, LaunchPermission=permission)


def stop_sharing(clients: Clients, original: Original, account: str, grantee: str) -> None:
    """Take back what an account got to copy an image. Can be run again."""
    ec2, kms = clients("ec2"), clients("kms")
    with translated(f"no longer sharing {original.ami_id} with {account}"):
        for key in original.keys:
            for page in kms.get_paginator("list_grants").paginate(
                KeyId=key, GranteePrincipal=grantee
            ):
                for grant in page["Grants"]:
                    if grant.get("Name") == GRANT:
                        kms.revoke_grant(KeyId=key, GrantId=grant["GrantId"])
        permission = {"Remove": [{"UserId": account}]}
        ec2.modify_image_attribute(ImageId=original.ami_id, LaunchPermission=permission)
        # Last: what a stop in between leaves is still seen to be shared.
        for name in original.snapshots:
            _permit(clients, name, "remove", account)


def _permit(clients: Clients, snapshot: str, operation: str, account: str) -> None:
    """Add or remove an account's permission to make volumes, and copies, of a snapshot."""
    clients("ec2").modify_snapshot_attribute(
        SnapshotId=snapshot,
        Attribute="createVolumePermission",
        OperationType=operation,
        UserIds=[account],
    )
