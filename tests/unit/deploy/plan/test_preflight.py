"""Preflight: finds what would fail later, before anything changes."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from common.errors import Refused
from deploy.plan.preflight import check_credentials, preflight
from deploy.release.settings import Volume
from tests.unit.deploy.builders import a_foundation, a_group, a_release, an_environment
from tests.unit.deploy.plan.findings import marked

IMAGES = ("ami-head", "ami-worker", "ami-before")
ZONES = ("us-east-1a", "us-east-1b")


class FakeAws:
    """Answers the requests of a preflight: one size for all types, one limit for all quotas."""

    def __init__(
        self,
        *,
        offered: dict[str, tuple[str, ...]],
        vcpus: int,
        limit: float | None,
        images: tuple[str, ...] = IMAGES,
        architecture: str = "x86_64",
        root_gib: int = 20,
    ):
        self.root_gib = root_gib
        self.offered, self.vcpus, self.limit = offered, vcpus, limit
        self.images, self.architecture = images, architecture

    def __call__(self, service: str) -> "FakeAws":
        assert service in ("ec2", "service-quotas", "sts")
        return self

    def get_caller_identity(self) -> Any:
        return {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/somebody"}

    def describe_subnets(self, SubnetIds: list[str]) -> Any:  # noqa: N803
        zones = zip(SubnetIds, ZONES, strict=True)
        return {"Subnets": [{"SubnetId": one, "AvailabilityZone": zone} for one, zone in zones]}

    def describe_availability_zones(self, **_: Any) -> Any:
        return {
            "AvailabilityZones": [
                {"ZoneName": zone, "ZoneId": zone} for zone in (*ZONES, "us-east-1c")
            ]
        }

    def get_ebs_default_kms_key_id(self) -> Any:
        return {"KmsKeyId": "alias/aws/ebs"}

    def describe_vpc_endpoint_services(self, **_: Any) -> Any:
        return {"ServiceDetails": []}

    def get_paginator(self, name: str) -> Any:
        assert name == "describe_instance_type_offerings"
        return self

    def paginate(self, **_: Any) -> Any:
        pairs = [(kind, zone) for kind, zones in self.offered.items() for zone in zones]
        return [{"InstanceTypeOfferings": [{"InstanceType": k, "Location": z} for k, z in pairs]}]

    def describe_images(self, Filters: list[dict[str, Any]]) -> Any:  # noqa: N803
        wanted = Filters[0]["Values"]
        found = [image for image in self.images if image in wanted]
        root = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": self.root_gib}}
        facts = {"Architecture": "x86_64", "RootDeviceName": "/dev/xvda"}
        return {"Images": [{"ImageId": i, "BlockDeviceMappings": [root], **facts} for i in found]}

    def describe_instance_types(self, **wanted: Any) -> Any:
        return {
            "InstanceTypes": [
                {
                    "InstanceType": kind,
                    "VCpuInfo": {"DefaultVCpus": self.vcpus},
                    "ProcessorInfo": {"SupportedArchitectures": [self.architecture]},
                    "SupportedUsageClasses": ["on-demand", "spot"],
                }
                for kind in wanted["InstanceTypes"]
            ]
        }

    def get_service_quota(self, **_: Any) -> Any:
        if self.limit is None:
            answer: Any = {"Error": {"Code": "AccessDeniedException"}}
            raise ClientError(answer, "GetServiceQuota")
        return {"Quota": {"Value": self.limit}}


def findings_of(
    offered: tuple[str, ...] = ZONES, vcpus: int = 2, limit: float | None = 1000, **changes: Any
) -> list[str]:
    aws: Any = FakeAws(offered={"m6i.large": offered}, vcpus=vcpus, limit=limit)
    findings = preflight(aws, an_environment(**changes), a_foundation(), a_release())
    return marked(findings)


def test_credentials_of_another_account_are_refused() -> None:
    aws: Any = FakeAws(offered={}, vcpus=2, limit=1)

    assert check_credentials(aws, an_environment()) == "arn:aws:iam::123456789012:user/somebody"
    with pytest.raises(Refused) as refused:
        check_credentials(aws, an_environment(account_id="999999999999"))

    assert refused.value.message == (
        "these credentials belong to account 123456789012, but dev is in 999999999999"
    )
    assert refused.value.hint == "choose another AWS_PROFILE, or correct account_id"


def test_finds_nothing_where_capacity_is_plentiful() -> None:
    assert findings_of() == []


def test_names_a_type_that_one_zone_lacks() -> None:
    assert findings_of(offered=ZONES[:1]) == [
        "m6i.large is not offered in us-east-1b"
        " → choose another instance type, or subnets in other zones"
    ]


def test_refuses_a_type_that_every_zone_lacks() -> None:
    with pytest.raises(Refused, match=r"m6i\.large is not offered in us-east-1a, us-east-1b"):
        findings_of(offered=())


def test_a_type_that_no_zone_offers_is_fatal_only_without_an_alternative() -> None:
    workers = {"worker": {"instance_types": ["m6i.large", "m7i.large"], "min": 1, "max": 3}}

    assert findings_of(workers=workers) == [
        "m7i.large is not offered in us-east-1a, us-east-1b"
        " → choose another instance type, or subnets in other zones"
    ]


def test_a_spot_group_counts_against_the_quota_of_spot_requests() -> None:
    worker = {"instance_types": ["m6i.large"], "market": "spot", "min": 1, "max": 3}
    aws: Any = FakeAws(offered={"m6i.large": ZONES}, vcpus=2, limit=5)

    environment = an_environment(workers={"worker": worker})

    (finding,) = preflight(aws, environment, a_foundation(), a_release())

    assert finding.words == (
        "the largest cluster needs 6 vCPUs of spot standard instances (workers.worker), "
        "the account may run 5"
    )
    assert finding.hint == "request a higher quota (Service Quotas, ec2, L-34B43A08)"


def test_before_the_first_deploy_checks_the_zones_that_will_be_used() -> None:
    aws: Any = FakeAws(offered={"m6i.large": ZONES}, vcpus=2, limit=1000)

    assert preflight(aws, an_environment(), None, a_release()) == ()


def test_names_a_quota_below_the_largest_cluster() -> None:
    (words,) = findings_of(limit=8)

    assert words == (
        "the largest cluster needs 10 vCPUs of on-demand standard instances "
        "(head, workers.worker), the account may run 8"
        " → request a higher quota (Service Quotas, ec2, L-1216C47A)"
    )


def test_refuses_a_quota_below_the_smallest_cluster() -> None:
    with pytest.raises(Refused, match="the smallest cluster needs 4 vCPUs") as refused:
        findings_of(limit=3)

    assert "L-1216C47A" in refused.value.hint


def test_an_unreadable_quota_is_only_a_finding() -> None:
    (words,) = findings_of(limit=None)

    assert words == "the account's vCPU quotas could not be read (AccessDeniedException) → "


def test_names_all_fatal_findings_at_once() -> None:
    with pytest.raises(Refused) as refused:
        findings_of(offered=(), limit=1)

    assert refused.value.message == (
        "dev cannot be deployed:\n"
        "  m6i.large is not offered in us-east-1a, us-east-1b\n"
        "  the smallest cluster needs 4 vCPUs of on-demand standard instances "
        "(head, workers.worker), the account may run 1"
    )
    assert refused.value.hint == (
        "choose another instance type, or subnets in other zones; "
        "request a higher quota (Service Quotas, ec2, L-1216C47A)"
    )


def test_refuses_a_release_whose_image_is_gone() -> None:
    aws: Any = FakeAws(offered={"m6i.large": ZONES}, vcpus=2, limit=1000, images=IMAGES[:1])

    with pytest.raises(Refused) as refused:
        preflight(aws, an_environment(), a_foundation(), a_release())

    assert "the worker image ami-worker does not exist any more" in refused.value.message
    assert refused.value.hint == (
        "bake and deploy, enable it in EC2, or choose a release whose images exist"
    )


def test_names_a_previous_release_that_cannot_be_restored() -> None:
    aws: Any = FakeAws(offered={"m6i.large": ZONES}, vcpus=2, limit=1000, images=IMAGES[:2])
    before = a_release("ami-before")

    found = preflight(aws, an_environment(), a_foundation(), a_release(), before)

    assert marked(found) == [
        "the head image ami-before does not exist any more, or is disabled: "
        f"this deploy cannot be rolled back to {before.id}"
        " → keep the images of the releases that you may go back to"
    ]


def test_refuses_a_type_of_another_architecture_than_its_image() -> None:
    aws: Any = FakeAws(offered={"m6i.large": ZONES}, vcpus=2, limit=1000, architecture="arm64")

    with pytest.raises(Refused) as refused:
        preflight(aws, an_environment(), a_foundation(), a_release())

    words = "workers.worker: m6i.large runs arm64, but the image ami-worker is for x86_64"
    assert words in refused.value.message
    assert refused.value.hint == (
        "choose an instance type of that architecture, or bake an image for this one"
    )


def test_refuses_a_volume_that_is_smaller_than_its_image() -> None:
    aws: Any = FakeAws(offered={"m6i.large": ZONES}, vcpus=2, limit=1000, root_gib=30)
    release = a_release(groups=(a_group(volume=Volume(25)),), head_volume=Volume(40))

    with pytest.raises(Refused) as refused:
        preflight(aws, an_environment(), a_foundation(), release)

    assert refused.value.message.splitlines()[1:] == [
        "  workers.worker: a volume of 25 GiB is smaller than the 30 GiB of the image ami-worker"
    ]
    assert refused.value.hint == "set volume = { gib = 30 } there, or more"


def a_zoned_group(*zones: str) -> dict[str, Any]:
    """Return the workers of an environment in these zones."""
    return {"gpu": {"instance_types": ["g6.xlarge"], "min": 0, "max": 1, "zones": zones}}


def test_a_group_s_types_are_looked_for_in_its_zones_alone() -> None:
    offered = {"m6i.large": ZONES, "g6.xlarge": ZONES[1:]}
    aws: Any = FakeAws(offered=offered, vcpus=4, limit=1000)

    def words(*zones: str) -> list[str]:
        environment = an_environment(workers=a_zoned_group(*zones))
        return [f.words for f in preflight(aws, environment, a_foundation(), a_release())]

    assert words() == ["g6.xlarge is not offered in us-east-1a"]
    assert words("us-east-1b") == []
    with pytest.raises(Refused, match=r"g6\.xlarge is not offered in us-east-1a"):
        words("us-east-1a")


def test_refuses_a_group_s_zone_that_has_no_subnet() -> None:
    aws: Any = FakeAws(offered={"m6i.large": ZONES, "g6.xlarge": ZONES}, vcpus=4, limit=1000)
    environment = an_environment(workers=a_zoned_group("us-east-1a", "us-east-1f"))

    with pytest.raises(Refused) as refused:
        preflight(aws, environment, a_foundation(), a_release())

    assert refused.value.message.splitlines()[1:] == [
        "  workers.gpu.zones: no private subnet is in us-east-1f; "
        "they are in us-east-1a, us-east-1b"
    ]
