"""Preflight: finds what would fail later, before anything changes."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from common.errors import Refused
from deploy.plan.preflight import STANDARD, STANDARD_SPOT, preflight, quota_of
from tests.unit.deploy.builders import a_foundation, a_release, an_environment

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
    ):
        self.offered, self.vcpus, self.limit = offered, vcpus, limit
        self.images, self.architecture = images, architecture

    def __call__(self, service: str) -> "FakeAws":
        return self

    def describe_subnets(self, **_: Any) -> Any:
        return {"Subnets": [{"AvailabilityZone": zone} for zone in ZONES]}

    def describe_availability_zones(self, **_: Any) -> Any:
        return {"AvailabilityZones": [{"ZoneName": zone} for zone in (*ZONES, "us-east-1c")]}

    def describe_instance_type_offerings(self, **_: Any) -> Any:
        pairs = [(kind, zone) for kind, zones in self.offered.items() for zone in zones]
        return {"InstanceTypeOfferings": [{"InstanceType": k, "Location": z} for k, z in pairs]}

    def describe_images(self, Filters: list[dict[str, Any]]) -> Any:  # noqa: N803
        wanted = Filters[0]["Values"]
        found = [image for image in self.images if image in wanted]
        return {"Images": [{"ImageId": i, "Architecture": "x86_64"} for i in found]}

    def describe_instance_types(self, **wanted: Any) -> Any:
        return {
            "InstanceTypes": [
                {
                    "InstanceType": kind,
                    "VCpuInfo": {"DefaultVCpus": self.vcpus},
                    "ProcessorInfo": {"SupportedArchitectures": [self.architecture]},
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
    return [finding.words for finding in findings]


def test_finds_nothing_where_capacity_is_plentiful() -> None:
    assert findings_of() == []


def test_names_a_type_that_one_zone_lacks() -> None:
    assert findings_of(offered=ZONES[:1]) == ["m6i.large is not offered in us-east-1b"]


def test_refuses_a_type_that_every_zone_lacks() -> None:
    with pytest.raises(Refused, match=r"m6i\.large is not offered in us-east-1a, us-east-1b"):
        findings_of(offered=())


def test_a_type_that_no_zone_offers_is_fatal_only_without_an_alternative() -> None:
    workers = {"worker": {"instance_types": ["m6i.large", "m7i.large"], "min": 1, "max": 3}}

    assert findings_of(workers=workers) == ["m7i.large is not offered in us-east-1a, us-east-1b"]


def test_a_spot_group_counts_against_the_quota_of_spot_requests() -> None:
    worker = {"instance_types": ["m6i.large"], "market": "spot", "min": 1, "max": 3}
    aws: Any = FakeAws(offered={"m6i.large": ZONES}, vcpus=2, limit=5)

    environment = an_environment(workers={"worker": worker})

    (finding,) = preflight(aws, environment, a_foundation(), a_release())

    assert finding.words == "the largest cluster needs 6 vCPUs, the account may run 5"
    assert STANDARD_SPOT in finding.hint


def test_before_the_first_deploy_checks_the_zones_that_will_be_used() -> None:
    aws: Any = FakeAws(offered={"m6i.large": ZONES}, vcpus=2, limit=1000)

    assert preflight(aws, an_environment(), None, a_release()) == ()


def test_names_a_quota_below_the_largest_cluster() -> None:
    (words,) = findings_of(limit=8)

    assert words == "the largest cluster needs 10 vCPUs, the account may run 8"


def test_refuses_a_quota_below_the_smallest_cluster() -> None:
    with pytest.raises(Refused, match="the smallest cluster needs 4 vCPUs") as refused:
        findings_of(limit=3)

    assert STANDARD in refused.value.hint


def test_an_unreadable_quota_is_only_a_finding() -> None:
    (words,) = findings_of(limit=None)

    assert words == "the account's vCPU quotas could not be read (AccessDeniedException)"


def test_names_all_fatal_findings_at_once() -> None:
    with pytest.raises(Refused) as refused:
        findings_of(offered=(), limit=1, tags={"a/b": "1", "_index": "2"})

    assert refused.value.message.count("\n") == 4


def test_refuses_a_release_whose_image_is_gone() -> None:
    aws: Any = FakeAws(offered={"m6i.large": ZONES}, vcpus=2, limit=1000, images=IMAGES[:1])

    with pytest.raises(Refused, match="the worker image ami-worker does not exist any more"):
        preflight(aws, an_environment(), a_foundation(), a_release())


def test_names_a_previous_release_that_cannot_be_restored() -> None:
    aws: Any = FakeAws(offered={"m6i.large": ZONES}, vcpus=2, limit=1000, images=IMAGES[:2])
    before = a_release("ami-before")

    (found,) = preflight(aws, an_environment(), a_foundation(), a_release(), before)

    assert found.words == (
        "the head image ami-before does not exist any more: "
        f"this deploy cannot be rolled back to {before.id}"
    )
    assert not found.fatal


def test_refuses_a_type_of_another_architecture_than_its_image() -> None:
    aws: Any = FakeAws(offered={"m6i.large": ZONES}, vcpus=2, limit=1000, architecture="arm64")

    with pytest.raises(Refused) as refused:
        preflight(aws, an_environment(), a_foundation(), a_release())

    words = "of the workers runs arm64, but their image ami-worker is for x86_64"
    assert f"m6i.large {words}" in refused.value.message


@pytest.mark.parametrize(
    ("instance_type", "quota"),
    [
        ("m6i.large", STANDARD),
        ("t3.micro", STANDARD),
        ("g5.xlarge", "L-DB2E81BA"),
        ("p4d.24xlarge", "L-417A185B"),
        ("inf2.xlarge", "L-1945791B"),
        ("x2idn.16xlarge", "L-7295265B"),
        ("im4gn.large", STANDARD),
    ],
)
def test_a_type_counts_against_the_quota_of_its_family(instance_type: str, quota: str) -> None:
    assert quota_of(instance_type) == quota


@pytest.mark.parametrize(
    ("instance_type", "quota"),
    [
        ("m6i.large", STANDARD_SPOT),
        ("g5.xlarge", "L-3819A6DF"),
        ("p4d.24xlarge", "L-7212CCBC"),
        ("p5.48xlarge", "L-C4BD4855"),
    ],
)
def test_spot_has_quotas_of_its_own(instance_type: str, quota: str) -> None:
    assert quota_of(instance_type, "spot") == quota
