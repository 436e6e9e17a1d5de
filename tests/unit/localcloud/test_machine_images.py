"""Images: made of stopped machines, with unique names and AWS's attributes."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.account import ec2_backend
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.fakes import FakeClock, FakeDriver
from tests.unit.localcloud.test_ec2 import Ec2, code_of


@pytest.fixture
def ec2(aws: Clients) -> Ec2:
    return Ec2(aws("ec2"))


def image(ec2: Ec2, image_id: str) -> Any:
    return ec2.api.describe_images(ImageIds=[image_id])["Images"][0]


def a_stopped_instance(ec2: Ec2, clock: FakeClock, **parameters: Any) -> str:
    instance = ec2.launch(**parameters)
    clock.advance(10)
    ec2.api.stop_instances(InstanceIds=[instance])
    clock.advance(10)
    return instance


def made(ec2: Ec2, instance: str, name: str = "made", **parameters: Any) -> str:
    return str(ec2.api.create_image(InstanceId=instance, Name=name, **parameters)["ImageId"])


def test_an_image_is_pending_until_the_disk_is_copied(ec2: Ec2, clock: FakeClock) -> None:
    image_id = made(ec2, a_stopped_instance(ec2, clock))
    assert image(ec2, image_id)["State"] == "pending"

    clock.advance(10)

    assert image(ec2, image_id)["State"] == "available"


def test_a_copy_that_fails_makes_a_failed_image(
    ec2: Ec2, clock: FakeClock, driver: FakeDriver
) -> None:
    driver.copies_fail = True

    image_id = made(ec2, a_stopped_instance(ec2, clock))
    clock.advance(10)

    assert image(ec2, image_id)["State"] == "failed"


def test_tags_go_to_the_image_and_to_the_snapshot(ec2: Ec2, clock: FakeClock) -> None:
    image_id = made(
        ec2,
        a_stopped_instance(ec2, clock),
        TagSpecifications=[
            {"ResourceType": "image", "Tags": [{"Key": "of", "Value": "image"}]},
            {"ResourceType": "snapshot", "Tags": [{"Key": "of", "Value": "snapshot"}]},
        ],
    )

    found = image(ec2, image_id)
    snapshot_id = found["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    snapshot = ec2.api.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]
    assert found["Tags"] == [{"Key": "of", "Value": "image"}]
    assert snapshot["Tags"] == [{"Key": "of", "Value": "snapshot"}]


def test_the_root_device_and_its_volume_are_the_instances(ec2: Ec2, clock: FakeClock) -> None:
    volume = {"VolumeSize": 12, "VolumeType": "gp3", "Encrypted": True}
    mapping = {"DeviceName": "/dev/xvda", "Ebs": volume}
    instance = a_stopped_instance(ec2, clock, BlockDeviceMappings=[mapping])

    found = image(ec2, made(ec2, instance))

    root = found["BlockDeviceMappings"][0]
    assert (found["RootDeviceName"], found["RootDeviceType"]) == ("/dev/xvda", "ebs")
    assert root["DeviceName"] == "/dev/xvda"
    assert root["Ebs"].items() >= volume.items()


def test_a_name_is_used_once(ec2: Ec2, clock: FakeClock) -> None:
    instance = a_stopped_instance(ec2, clock)
    first = made(ec2, instance, "twice")

    with pytest.raises(ClientError, match=f"already in use by AMI {first}") as refusal:
        made(ec2, instance, "twice")

    assert code_of(refusal) == "InvalidAMIName.Duplicate"


def test_a_name_is_free_again_once_its_image_is_deregistered(
    ec2: Ec2, clock: FakeClock, driver: FakeDriver
) -> None:
    instance = a_stopped_instance(ec2, clock)
    first = made(ec2, instance, "again")
    clock.advance(10)

    ec2.api.deregister_image(ImageId=first)

    assert first not in driver.images
    assert made(ec2, instance, "again") != first


@pytest.mark.parametrize("with_snapshots", [True, False])
def test_a_snapshot_goes_with_its_image_where_that_is_asked_for(
    ec2: Ec2, clock: FakeClock, with_snapshots: bool
) -> None:
    image_id = made(ec2, a_stopped_instance(ec2, clock))
    clock.advance(10)
    snapshot = snapshot_of(ec2, image_id)

    answer = ec2.api.deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=with_snapshots)

    results = [{"SnapshotId": snapshot, "ReturnCode": "success"}] if with_snapshots else []
    assert answer.get("DeleteSnapshotResults", []) == results
    there = [one["SnapshotId"] for one in ec2.api.describe_snapshots()["Snapshots"]]
    assert (snapshot in there) is not with_snapshots


def test_a_snapshot_that_another_image_has_too_stays(ec2: Ec2, clock: FakeClock) -> None:
    instance = a_stopped_instance(ec2, clock)
    first, second = made(ec2, instance, "first"), made(ec2, instance, "second")
    clock.advance(10)
    ec2_backend().amis[second].ebs_snapshot = ec2_backend().amis[first].ebs_snapshot
    snapshot = snapshot_of(ec2, first)

    answer = ec2.api.deregister_image(ImageId=first, DeleteAssociatedSnapshots=True)

    results = [{"SnapshotId": snapshot, "ReturnCode": "skipped"}]
    assert answer["DeleteSnapshotResults"] == results
    assert snapshot_of(ec2, second) == snapshot


def test_no_image_is_in_the_recycle_bin(ec2: Ec2) -> None:
    assert ec2.api.list_images_in_recycle_bin()["Images"] == []


def snapshot_of(ec2: Ec2, image_id: str) -> str:
    (image,) = ec2.api.describe_images(ImageIds=[image_id])["Images"]
    return str(image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"])


def test_a_running_instance_is_rebooted_for_its_image(
    ec2: Ec2, clock: FakeClock, driver: FakeDriver
) -> None:
    instance = ec2.launch()
    clock.advance(10)

    image_id = made(ec2, instance)
    seen = set()
    for _ in range(20):
        clock.advance(1)
        seen.add(ec2.state(instance))

    assert seen == {"running"}
    assert image(ec2, image_id)["State"] == "available"
    assert driver.machines[instance].boots == 2


def test_an_image_that_is_not_available_launches_nothing(ec2: Ec2, clock: FakeClock) -> None:
    image_id = made(ec2, a_stopped_instance(ec2, clock))

    with pytest.raises(ClientError) as refusal:
        ec2.launch(ImageId=image_id)

    assert code_of(refusal) == "InvalidAMIID.Unavailable"


def test_deprecation_and_metadata_support_are_kept(ec2: Ec2, clock: FakeClock) -> None:
    image_id = made(ec2, a_stopped_instance(ec2, clock))
    clock.advance(10)

    ec2.api.enable_image_deprecation(ImageId=image_id, DeprecateAt="2030-01-01T00:00:00Z")
    ec2.api.modify_image_attribute(ImageId=image_id, ImdsSupport={"Value": "v2.0"})

    found = image(ec2, image_id)
    assert found["DeprecationTime"].startswith("2030-01-01")
    assert found["ImdsSupport"] == "v2.0"


def test_an_image_with_imds_support_v2_makes_tokens_required(ec2: Ec2, clock: FakeClock) -> None:
    image_id = made(ec2, a_stopped_instance(ec2, clock))
    clock.advance(10)
    ec2.api.modify_image_attribute(ImageId=image_id, ImdsSupport={"Value": "v2.0"})

    options = ec2.describe(ec2.launch(ImageId=image_id))["MetadataOptions"]

    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 2)


def test_the_base_image_is_found_as_debians_on_aws(ec2: Ec2) -> None:
    name = {"Name": "name", "Values": ["debian-12-amd64-*"]}

    found = ec2.api.describe_images(Owners=["136693071363"], Filters=[name])["Images"]

    assert "ami-1" in [each["ImageId"] for each in found]
    assert {each["Architecture"] for each in found} == {"x86_64"}
