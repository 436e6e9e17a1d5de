"""A bake cannot make what others have in the account its own, and then delete, share or open it.

Each test acts as the bake role, in two steps: first the tag that says "ours", then the change. What
has no tags is in reach only where Packer 1.6.6 bakes; all else is out of reach there too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
from botocore.exceptions import ClientError
from moto.ec2.models import ec2_backends

from common.clients import Clients, error_code
from localcloud.patches.iam import enforced
from tests.unit.deploy.account.conftest import Account, with_old_packer
from tests.unit.deploy.builders import ACCOUNT, REGION
from tests.unit.localcloud.fakes import FakeClock

DIGEST = {"Key": "raykiln:digest", "Value": "0" * 64}
BAKE = {"Key": "raykiln:bake", "Value": "host/1/1"}
CLAIMS = ([DIGEST], [BAKE], [DIGEST, BAKE])
DENIED = "UnauthorizedOperation"
# Those of people, Data Lifecycle Manager, AWS Backup and EC2 Image Builder.
OF_OTHERS = (
    {"Name": "theirs"},
    {"aws:dlm:lifecycle-policy-id": "policy-1"},
    {"aws:backup:source-resource": "volume/vol-1"},
    {"CreatedBy": "EC2 Image Builder"},
)


@dataclass(frozen=True)
class Neighbour:
    """What another team has in the account."""

    image: str
    snapshot: str
    volume: str
    group: str
    key_pair: str


@pytest.fixture
def lenient(account: Account, clock: FakeClock) -> Account:
    """An account in which Packer 1.6.6 bakes."""
    return with_old_packer(account, clock)


@pytest.fixture
def neighbour(account: Account) -> Neighbour:
    ec2 = account.administrator("ec2")
    volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=8)["VolumeId"]
    return Neighbour(
        image=ec2.register_image(Name="theirs")["ImageId"],
        snapshot=ec2.create_snapshot(VolumeId=volume)["SnapshotId"],
        volume=volume,
        group=ec2.create_security_group(GroupName="theirs", Description="theirs")["GroupId"],
        key_pair=ec2.create_key_pair(KeyName="raykiln-theirs")["KeyPairId"],
    )


def give(resource: str, tags: dict[str, str]) -> None:
    """Tag a resource; on AWS only AWS itself can, with a key that begins with ``aws:``."""
    ec2_backends[ACCOUNT][REGION].tags.setdefault(resource, {}).update(tags)


def answer(call: Callable[[], object]) -> str:
    """Return the code of the error that AWS answers with; empty: it is done."""
    try:
        call()
    except ClientError as error:
        return error_code(error)
    return ""


def claimed(clients: Clients, resource: str) -> list[str]:
    """Return what AWS answers to each way to tag a resource as ours."""
    tag = partial(clients("ec2").create_tags, Resources=[resource])
    return [answer(partial(tag, Tags=tags)) for tags in CLAIMS]


@pytest.mark.parametrize("tags", OF_OTHERS)
def test_an_image_that_somebody_has_tagged_is_not_made_ours_and_neither_deleted_nor_shared(
    lenient: Account, neighbour: Neighbour, tags: dict[str, str]
) -> None:
    clients, image = lenient.as_role("bake"), neighbour.image
    give(image, tags)
    ec2 = clients("ec2")
    permission = {"Add": [{"UserId": "999999999999"}]}

    with enforced():
        assert claimed(clients, image) == [DENIED] * 3
        assert [
            answer(lambda: ec2.deregister_image(ImageId=image)),
            answer(lambda: ec2.disable_image(ImageId=image)),
            answer(lambda: ec2.modify_image_attribute(ImageId=image, LaunchPermission=permission)),
        ] == [DENIED] * 3
    assert lenient.administrator("ec2").describe_images(ImageIds=[image])["Images"]


@pytest.mark.parametrize("tags", OF_OTHERS)
def test_a_snapshot_that_somebody_has_tagged_is_not_made_ours_and_not_deleted(
    lenient: Account, neighbour: Neighbour, tags: dict[str, str]
) -> None:
    clients, snapshot = lenient.as_role("bake"), neighbour.snapshot
    give(snapshot, tags)

    with enforced():
        assert claimed(clients, snapshot) == [DENIED] * 3
        assert answer(lambda: clients("ec2").delete_snapshot(SnapshotId=snapshot)) == DENIED


def test_what_has_no_tags_is_made_ours_only_where_packer_1_6_6_bakes(
    account: Account, neighbour: Neighbour, clock: FakeClock
) -> None:
    clients = account.as_role("bake")
    with enforced():
        assert claimed(clients, neighbour.image) == [DENIED] * 3
        assert claimed(clients, neighbour.snapshot) == [DENIED] * 3

    with_old_packer(account, clock)
    with enforced():
        assert claimed(clients, neighbour.image) == ["", "", ""]
        assert claimed(clients, neighbour.snapshot) == ["", "", ""]


def test_a_security_group_without_tags_is_not_made_ours_and_neither_opened_nor_deleted(
    account: Account, neighbour: Neighbour
) -> None:
    clients, group = account.as_role("bake"), neighbour.group
    ec2 = clients("ec2")
    world = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}

    with enforced():
        assert claimed(clients, group) == [DENIED] * 3
        assert [
            answer(lambda: ec2.authorize_security_group_ingress(GroupId=group, **world)),
            answer(lambda: ec2.delete_security_group(GroupId=group)),
        ] == [DENIED] * 2


def test_volumes_and_key_pairs_without_tags_are_not_made_ours_and_not_deleted(
    account: Account, neighbour: Neighbour
) -> None:
    clients = account.as_role("bake")
    ec2 = clients("ec2")

    with enforced():
        assert claimed(clients, neighbour.volume) == [DENIED] * 3
        assert claimed(clients, neighbour.key_pair) == [DENIED] * 3
        assert [
            answer(lambda: ec2.delete_volume(VolumeId=neighbour.volume)),
            answer(lambda: ec2.delete_key_pair(KeyName="raykiln-theirs")),
        ] == [DENIED] * 2
