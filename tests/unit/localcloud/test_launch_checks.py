"""What RunInstances refuses: types, images and volumes that are not there or do not fit."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.fakes import FakeClock, FakeDriver
from tests.unit.localcloud.test_ec2 import Ec2, code_of
from tests.unit.localcloud.test_launch_templates import a_template, launched

ARM_ON_X86 = (
    "The architecture 'arm64' of the specified instance type does not match the architecture "
    "'x86_64' of the specified AMI."
)


@pytest.fixture
def ec2(aws: Clients) -> Ec2:
    return Ec2(aws("ec2"))


def root(**ebs: Any) -> list[dict[str, Any]]:
    return [{"DeviceName": "/dev/xvda", "Ebs": ebs}]


def test_an_arm_type_is_refused_for_an_x86_image(ec2: Ec2, driver: FakeDriver) -> None:
    with pytest.raises(ClientError) as refusal:
        ec2.launch(InstanceType="m6g.large")

    assert code_of(refusal) == "InvalidParameterValue"
    assert ARM_ON_X86 in str(refusal.value)
    assert driver.machines == {}


def test_a_template_may_be_created_but_not_launched_with_the_wrong_architecture(ec2: Ec2) -> None:
    template = a_template(ec2.api, ImageId="ami-1", InstanceType="t4g.micro")

    with pytest.raises(ClientError) as refusal:
        launched(ec2.api, template)

    assert ARM_ON_X86 in str(refusal.value)
    assert launched(ec2.api, template, InstanceType="t3.micro")["InstanceType"] == "t3.micro"


def test_an_arm_image_launches_on_an_arm_type_only(ec2: Ec2) -> None:
    image = ec2.api.register_image(Name="arm", Architecture="arm64")["ImageId"]

    assert ec2.describe(ec2.launch(ImageId=image, InstanceType="m6g.large"))["ImageId"] == image
    with pytest.raises(ClientError, match=r"'x86_64' of the specified instance type .* 'arm64'"):
        ec2.launch(ImageId=image, InstanceType="m6i.large")


def test_a_deregistered_image_is_no_longer_available(ec2: Ec2) -> None:
    ec2.api.deregister_image(ImageId="ami-1")

    with pytest.raises(ClientError) as refusal:
        ec2.launch()

    assert code_of(refusal) == "InvalidAMIID.Unavailable"
    assert "The image ID 'ami-1' is no longer available" in str(refusal.value)


def test_an_image_that_never_was_is_not_found(ec2: Ec2) -> None:
    with pytest.raises(ClientError) as refusal:
        ec2.launch(ImageId="ami-0123456789abcdef0")

    assert code_of(refusal) == "InvalidAMIID.NotFound"


def test_a_template_version_that_does_not_exist_launches_nothing(ec2: Ec2) -> None:
    template = a_template(ec2.api, ImageId="ami-1", InstanceType="t3.micro")

    with pytest.raises(ClientError) as refusal:
        launched(ec2.api, template, "99")

    assert code_of(refusal) == "InvalidLaunchTemplateId.VersionNotFound"
    assert f"version 99 for the launch template with ID {template}" in str(refusal.value)


def test_a_type_is_refused_where_its_zone_lacks_it(ec2: Ec2) -> None:
    with pytest.raises(ClientError) as refusal:
        ec2.launch(InstanceType="g6.xlarge", Placement={"AvailabilityZone": "us-east-1e"})

    assert code_of(refusal) == "Unsupported"
    assert "not supported in your requested Availability Zone (us-east-1e)" in str(refusal.value)


def test_a_root_volume_is_at_least_as_large_as_the_images_snapshot(
    ec2: Ec2, clock: FakeClock
) -> None:
    instance = ec2.launch(BlockDeviceMappings=root(VolumeSize=30, VolumeType="gp3"))
    clock.advance(10)
    image = ec2.api.create_image(InstanceId=instance, Name="of-30-gib")["ImageId"]
    clock.advance(20)

    with pytest.raises(ClientError) as refusal:
        ec2.launch(ImageId=image, BlockDeviceMappings=root(VolumeSize=29, VolumeType="gp3"))

    assert code_of(refusal) == "InvalidBlockDeviceMapping"
    assert "Volume of size 29GB is smaller than snapshot 'snap-" in str(refusal.value)
    assert "expect size >= 30GB" in str(refusal.value)
    ec2.launch(ImageId=image, BlockDeviceMappings=root(VolumeSize=30, VolumeType="gp3"))


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        ({"VolumeSize": 100, "Iops": 2999}, "Volume iops of 2999 is too low; minimum is 3000."),
        ({"VolumeSize": 200, "Iops": 80001}, "iops of 80001 is too high; maximum is 80000."),
        ({"VolumeSize": 100, "Throughput": 124}, "throughput of 124 is too low; minimum is 125."),
        (
            {"VolumeSize": 100, "VolumeInitializationRate": 99},
            "initialization rate of 99 is too low; minimum is 100.",
        ),
        (
            {"VolumeSize": 100, "VolumeInitializationRate": 301},
            "initialization rate of 301 is too high; maximum is 300.",
        ),
        (
            {"VolumeSize": 100, "Iops": 8004, "Throughput": 2001},
            "throughput of 2001 is too high; maximum is 2000.",
        ),
        (
            {"VolumeSize": 20, "Iops": 15000},
            "Iops to volume size ratio of 750.000000 is too high; maximum is 500",
        ),
        ({"Iops": 4001}, "Iops to volume size ratio of 500.125000 is too high; maximum is 500"),
        (
            {"VolumeSize": 100, "Throughput": 1000},
            "Throughput (MiBps) to iops ratio of 0.333333 is too high; maximum is 0.250000",
        ),
        ({"VolumeSize": 65537}, "Volume size of 65537 is too high; maximum is 65536."),
    ],
)
def test_a_gp3_volume_has_limits(ec2: Ec2, volume: dict[str, int], words: str) -> None:
    with pytest.raises(ClientError) as refusal:
        ec2.launch(BlockDeviceMappings=root(VolumeType="gp3", **volume))

    assert code_of(refusal) == "InvalidParameterValue"
    assert words in str(refusal.value)


def test_a_gp3_volume_within_its_limits_is_launched(ec2: Ec2) -> None:
    volume = {"VolumeSize": 160, "Iops": 80000, "Throughput": 2000}

    assert ec2.launch(BlockDeviceMappings=root(VolumeType="gp3", **volume))


def test_the_request_overrides_type_subnet_and_market_of_the_template(ec2: Ec2) -> None:
    found = ec2.api.describe_subnets()["Subnets"]
    subnets = {subnet["AvailabilityZone"]: subnet["SubnetId"] for subnet in found}
    first, second = subnets["us-east-1a"], subnets["us-east-1b"]
    template = a_template(
        ec2.api,
        ImageId="ami-1",
        InstanceType="t3.micro",
        InstanceMarketOptions={
            "MarketType": "spot",
            "SpotOptions": {
                "SpotInstanceType": "persistent",
                "InstanceInterruptionBehavior": "stop",
            },
        },
    )
    as_it_is = launched(ec2.api, template, SubnetId=first)
    overridden = launched(
        ec2.api,
        template,
        InstanceType="m6i.large",
        SubnetId=second,
        InstanceMarketOptions={"MarketType": "spot", "SpotOptions": {"MaxPrice": "1"}},
    )

    assert (as_it_is["InstanceType"], as_it_is["SubnetId"]) == ("t3.micro", first)
    assert (overridden["InstanceType"], overridden["SubnetId"]) == ("m6i.large", second)
    assert {i["InstanceLifecycle"] for i in (as_it_is, overridden)} == {"spot"}
