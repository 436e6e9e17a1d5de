"""What DescribeInstanceTypes and DescribeInstanceTypeOfferings say, and how they page."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.test_ec2 import code_of


@pytest.fixture
def ec2(aws: Clients) -> Any:
    return aws("ec2")


def one(ec2: Any, name: str) -> Any:
    return ec2.describe_instance_types(InstanceTypes=[name])["InstanceTypes"][0]


def names(ec2: Any) -> list[str]:
    pages = ec2.get_paginator("describe_instance_types").paginate()
    return [found["InstanceType"] for page in pages for found in page["InstanceTypes"]]


@pytest.mark.parametrize(
    ("name", "architecture", "vcpus", "mib", "gpus", "nvme_gb", "efa"),
    [  # https://docs.aws.amazon.com/ec2/latest/instancetypes/ (general purpose, compute, …)
        ("t3.micro", "x86_64", 2, 1024, 0, 0, False),
        ("t4g.micro", "arm64", 2, 1024, 0, 0, False),
        ("m6i.large", "x86_64", 2, 8192, 0, 0, False),
        ("m6i.32xlarge", "x86_64", 128, 524288, 0, 0, True),
        ("m6a.4xlarge", "x86_64", 16, 65536, 0, 0, False),
        ("m6g.large", "arm64", 2, 8192, 0, 0, False),
        ("c6i.large", "x86_64", 2, 4096, 0, 0, False),
        ("r6i.large", "x86_64", 2, 16384, 0, 0, False),
        ("g5.xlarge", "x86_64", 4, 16384, 1, 250, False),
        ("g5.12xlarge", "x86_64", 48, 196608, 4, 3800, True),
        ("g6.xlarge", "x86_64", 4, 16384, 1, 250, False),
        ("p4d.24xlarge", "x86_64", 96, 1179648, 8, 8000, True),
    ],
)
def test_a_type_has_what_aws_says(
    ec2: Any, name: str, architecture: str, vcpus: int, mib: int, gpus: int, nvme_gb: int, efa: bool
) -> None:
    found = one(ec2, name)

    assert found["ProcessorInfo"]["SupportedArchitectures"] == [architecture]
    assert found["VCpuInfo"]["DefaultVCpus"] == vcpus
    assert found["MemoryInfo"]["SizeInMiB"] == mib
    assert sum(gpu["Count"] for gpu in found.get("GpuInfo", {}).get("Gpus", [])) == gpus
    assert found.get("InstanceStorageInfo", {}).get("TotalSizeInGB", 0) == nvme_gb
    assert found["NetworkInfo"]["EfaSupported"] == efa
    assert {"on-demand", "spot"} <= set(found["SupportedUsageClasses"])


def test_an_unknown_type_is_an_error(ec2: Any) -> None:
    with pytest.raises(ClientError) as refusal:
        ec2.describe_instance_types(InstanceTypes=["m6i.large", "m6i.enormous"])

    assert code_of(refusal) == "InvalidInstanceType"
    assert "The following supplied instance types do not exist: [m6i.enormous]" in str(
        refusal.value
    )


def test_at_most_a_hundred_types_are_named_in_a_call(ec2: Any) -> None:
    known = names(ec2)

    assert len(ec2.describe_instance_types(InstanceTypes=known[:100])["InstanceTypes"]) == 100
    with pytest.raises(ClientError) as refusal:
        ec2.describe_instance_types(InstanceTypes=known[:101])
    assert code_of(refusal) == "InvalidParameterValue"


def test_types_come_a_hundred_a_page(ec2: Any) -> None:
    page = ec2.describe_instance_types()

    assert len(page["InstanceTypes"]) == 100
    following = ec2.describe_instance_types(NextToken=page["NextToken"], MaxResults=5)
    first = {found["InstanceType"] for found in page["InstanceTypes"]}
    assert len({found["InstanceType"] for found in following["InstanceTypes"]} - first) == 5
    assert len(names(ec2)) == len(set(names(ec2))) > 1000


@pytest.mark.parametrize("size", [101, 1000])
def test_a_page_of_types_has_a_hundred_at_most(ec2: Any, size: int) -> None:
    with pytest.raises(ClientError) as refusal:
        ec2.describe_instance_types(MaxResults=size)

    assert code_of(refusal) == "InvalidParameterValue"


def test_offerings_differ_by_zone_and_come_in_pages(ec2: Any) -> None:
    chosen = [{"Name": "instance-type", "Values": ["g6.xlarge"]}]
    found = ec2.describe_instance_type_offerings(LocationType="availability-zone", Filters=chosen)
    everything = ec2.describe_instance_type_offerings(LocationType="availability-zone")

    zones = {offer["Location"] for offer in found["InstanceTypeOfferings"]}
    assert zones == {f"us-east-1{letter}" for letter in "abcdf"}
    assert len(everything["InstanceTypeOfferings"]) == 1000
    assert everything["NextToken"]
