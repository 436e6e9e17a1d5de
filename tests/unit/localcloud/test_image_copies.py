"""Images are shared and copied between accounts and regions as EC2 does it."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.ec2.models import ec2_backends

from localcloud.account import ACCOUNT, REGION, SECOND_ACCOUNT, SECOND_REGION
from localcloud.patches.iam import enforced, make_user
from localcloud.world import World
from tests.recordings.compare import differences, recorded
from tests.unit.deploy.account.conftest import EVERYTHING
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

NAMES = {"Name": "copied", "SourceRegion": REGION}


@pytest.fixture
def ours(world: World) -> Any:
    return client("ec2", ACCOUNT)


@pytest.fixture
def theirs(world: World) -> Any:
    return client("ec2", SECOND_ACCOUNT)


def client(service: str, account: str, region: str = REGION) -> Any:
    keys = make_user(f"{service}-{region}", EVERYTHING, account)
    return boto3.client(service, region_name=region, **keys)


def an_image(ours: Any, *, key: str = "") -> tuple[str, str]:
    """Register an image, encrypted with a key if one is given; return its id and its snapshot's."""
    ami_id = str(ours.register_image(Name="original", RootDeviceName="/dev/xvda")["ImageId"])
    snapshot = ec2_backends[ACCOUNT][REGION].amis[ami_id].ebs_snapshot
    snapshot.kms_key_id, snapshot.encrypted = key or None, bool(key)
    return ami_id, snapshot.id


def share(ours: Any, ami_id: str, snapshot: str) -> None:
    ours.modify_image_attribute(
        ImageId=ami_id, LaunchPermission={"Add": [{"UserId": SECOND_ACCOUNT}]}
    )
    ours.modify_snapshot_attribute(
        SnapshotId=snapshot,
        Attribute="createVolumePermission",
        OperationType="add",
        UserIds=[SECOND_ACCOUNT],
    )


def allowed(ours: Any, snapshot: str) -> dict[str, Any]:
    """Return who may copy a snapshot, as EC2 answers; held against recordings."""
    asked = {"SnapshotId": snapshot, "Attribute": "createVolumePermission"}
    answer = dict(ours.describe_snapshot_attribute(**asked))
    del answer["ResponseMetadata"]
    return answer


def refused(code: str, words: str) -> Any:
    return pytest.raises(ClientError, match=rf"\({code}\).*{words}")


def one(ec2: Any, ami_id: str) -> dict[str, Any]:
    (found,) = ec2.describe_images(ImageIds=[ami_id])["Images"]
    return dict(found)


def test_without_the_image_or_without_its_snapshot_another_account_copies_nothing(
    ours: Any, theirs: Any
) -> None:
    ami_id, _ = an_image(ours)
    with refused("InvalidAMIID.NotFound", ami_id):
        theirs.copy_image(SourceImageId=ami_id, **NAMES)

    permission = {"Add": [{"UserId": SECOND_ACCOUNT}]}
    ours.modify_image_attribute(ImageId=ami_id, LaunchPermission=permission)
    with refused("InvalidRequest", "permission to access the storage of this ami"):
        theirs.copy_image(SourceImageId=ami_id, **NAMES)


def test_a_copy_is_pending_then_available_with_the_tags_of_the_request_alone(
    ours: Any,
    theirs: Any,
    clock: FakeClock,
) -> None:
    ami_id, snapshot = an_image(ours)
    ours.create_tags(Resources=[ami_id], Tags=[{"Key": "a", "Value": "theirs"}])
    share(ours, ami_id, snapshot)
    tags = [{"Key": "b", "Value": "c"}]
    specs = [{"ResourceType": kind, "Tags": tags} for kind in ("image", "snapshot")]

    made = theirs.copy_image(SourceImageId=ami_id, TagSpecifications=specs, **NAMES)["ImageId"]

    seen = one(theirs, made)
    (copied,) = theirs.describe_snapshots(
        SnapshotIds=[seen["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]]
    )["Snapshots"]
    assert (seen["State"], copied["State"], copied["Progress"]) == ("pending", "pending", "0%")
    assert (seen["OwnerId"], seen["Tags"], copied["Tags"]) == (SECOND_ACCOUNT, tags, tags)
    assert copied["Description"].startswith(f"Copied for DestinationAmi {made} from SourceAmi")
    clock.advance(3)
    assert one(theirs, made)["State"] == "available"
    attribute = {"ImageId": made, "Attribute": "launchPermission"}
    assert theirs.describe_image_attribute(**attribute)["LaunchPermissions"] == []


def test_the_same_request_again_is_the_same_copy(ours: Any) -> None:
    ami_id, _ = an_image(ours)
    asked = {"SourceImageId": ami_id, "ClientToken": "t", **NAMES}

    assert ours.copy_image(**asked)["ImageId"] == ours.copy_image(**asked)["ImageId"]
    with refused("InvalidAMIName.Duplicate", "copied"):
        ours.copy_image(SourceImageId=ami_id, ClientToken="other", **NAMES)


def test_an_encrypted_image_stays_encrypted_with_the_key_that_is_asked_for(ours: Any) -> None:
    there = client("ec2", ACCOUNT, SECOND_REGION)
    key = client("kms", ACCOUNT, SECOND_REGION).create_key()["KeyMetadata"]["Arn"]
    default = ec2_backends[ACCOUNT][REGION]._create_default_encryption_key()
    ami_id, _ = an_image(ours, key=default)

    first = there.copy_image(SourceImageId=ami_id, **NAMES)["ImageId"]
    second = there.copy_image(
        SourceImageId=ami_id, Name="two", SourceRegion=REGION, Encrypted=True, KmsKeyId=key
    )["ImageId"]

    amis = ec2_backends[ACCOUNT][SECOND_REGION].amis
    assert amis[first].ebs_snapshot.kms_key_id.split(":")[3] == SECOND_REGION
    assert amis[second].ebs_snapshot.kms_key_id == key
    with refused("InvalidParameterDependency", "KmsKeyId requires the parameter Encrypted"):
        there.copy_image(SourceImageId=ami_id, Name="three", SourceRegion=REGION, KmsKeyId=key)


def test_who_may_copy_a_snapshot_is_answered_as_recorded(ours: Any) -> None:
    ami_id, snapshot = an_image(ours)
    before = allowed(ours, snapshot)
    share(ours, ami_id, snapshot)

    assert before == {"SnapshotId": snapshot, "CreateVolumePermissions": []}
    assert allowed(ours, snapshot) == {
        "SnapshotId": snapshot,
        "CreateVolumePermissions": [{"UserId": SECOND_ACCOUNT}],
    }
    assert {"ec2.DescribeSnapshotAttribute", "ec2.ModifySnapshotAttribute"} <= recorded()[
        "operations"
    ].keys()
    assert [str(one) for one in differences("ec2.DescribeSnapshotAttribute", {})] == [
        "ec2.DescribeSnapshotAttribute: missing CreateVolumePermissions",
        "ec2.DescribeSnapshotAttribute: missing SnapshotId",
    ]


def test_what_awss_own_key_encrypts_is_not_shared(ours: Any) -> None:
    default = ec2_backends[ACCOUNT][REGION]._create_default_encryption_key()
    ami_id, snapshot = an_image(ours, key=default)
    permission = {"Add": [{"UserId": SECOND_ACCOUNT}]}

    with refused("InvalidParameter", "AWS Managed CMK can't be shared"):
        ours.modify_image_attribute(ImageId=ami_id, LaunchPermission=permission)
    with refused("InvalidParameter", "AWS Managed CMK can't be shared"):
        ours.modify_snapshot_attribute(
            SnapshotId=snapshot,
            Attribute="createVolumePermission",
            OperationType="add",
            UserIds=[SECOND_ACCOUNT],
        )


def test_a_copy_that_the_driver_cannot_make_fails(
    ours: Any, clock: FakeClock, driver: FakeDriver
) -> None:
    driver.copies_fail = True
    ami_id, _ = an_image(ours)

    made = ours.copy_image(SourceImageId=ami_id, **NAMES)["ImageId"]
    clock.advance(3)

    assert one(ours, made)["State"] == "failed"


def test_a_region_makes_twenty_copies_at_once(ours: Any, driver: FakeDriver) -> None:
    driver.copy_seconds = 60.0
    ami_id, _ = an_image(ours)
    for number in range(20):
        ours.copy_image(SourceImageId=ami_id, Name=f"c-{number}", SourceRegion=REGION)

    with refused("ResourceLimitExceeded", "copies in progress"):
        ours.copy_image(SourceImageId=ami_id, **NAMES)


def test_a_named_grant_is_made_once_and_listed_by_its_grantee(world: World) -> None:
    kms = client("kms", ACCOUNT)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    asked = {"KeyId": key, "Operations": ["Decrypt"], "Name": "n"}
    roles = [f"arn:aws:iam::{SECOND_ACCOUNT}:role/{name}" for name in ("a", "b")]

    first, again = (kms.create_grant(GranteePrincipal=roles[0], **asked) for _ in range(2))
    kms.create_grant(GranteePrincipal=roles[1], **asked)

    assert first["GrantId"] == again["GrantId"]
    found = kms.list_grants(KeyId=key, GranteePrincipal=roles[0])["Grants"]
    assert [grant["GrantId"] for grant in found] == [first["GrantId"]]


def test_a_key_says_who_manages_it(world: World) -> None:
    kms = client("kms", ACCOUNT)
    own = kms.create_key()["KeyMetadata"]["Arn"]
    aws = ec2_backends[ACCOUNT][REGION]._create_default_encryption_key()

    managers = [kms.describe_key(KeyId=key)["KeyMetadata"]["KeyManager"] for key in (own, aws)]
    assert managers == ["CUSTOMER", "AWS"]


def test_the_key_of_another_account_is_used_only_with_its_grant(
    ours: Any, theirs: Any, clock: FakeClock
) -> None:
    kms = client("kms", ACCOUNT)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    ami_id, snapshot = an_image(ours, key=key)
    share(ours, ami_id, snapshot)
    user = f"arn:aws:iam::{SECOND_ACCOUNT}:user/ec2-{REGION}"
    operations = ["Decrypt", "DescribeKey", "CreateGrant", "GenerateDataKeyWithoutPlaintext"]

    with enforced():
        denied = theirs.copy_image(SourceImageId=ami_id, **NAMES)["ImageId"]
        kms.create_grant(
            KeyId=key,
            GranteePrincipal=user,
            Operations=[*operations, "ReEncryptFrom", "ReEncryptTo"],
        )
        made = theirs.copy_image(SourceImageId=ami_id, Name="two", SourceRegion=REGION)
    clock.advance(3)

    assert one(theirs, denied)["State"] == "failed"
    assert one(theirs, denied)["StateReason"]["Message"] == "Given key ID is not accessible"
    assert one(theirs, made["ImageId"])["State"] == "available"
