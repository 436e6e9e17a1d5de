"""Preflight: what would fail later is told before anything is changed."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from common.errors import Refused
from deploy.plan.preflight import STANDARD, preflight, quota_of
from tests.unit.deploy.builders import a_foundation, an_environment

ZONES = ("us-east-1a", "us-east-1b")


class FakeAws:
    """Answers the questions of a preflight; what is not overridden is plentiful."""

    def __init__(self, *, offered: dict[str, tuple[str, ...]], vcpus: int, limit: float | None):
        self.offered, self.vcpus, self.limit = offered, vcpus, limit

    def __call__(self, service: str) -> "FakeAws":
        return self

    def describe_subnets(self, **_: Any) -> Any:
        return {"Subnets": [{"AvailabilityZone": zone} for zone in ZONES]}

    def describe_availability_zones(self, **_: Any) -> Any:
        return {"AvailabilityZones": [{"ZoneName": zone} for zone in (*ZONES, "us-east-1c")]}

    def describe_instance_type_offerings(self, **_: Any) -> Any:
        pairs = [(kind, zone) for kind, zones in self.offered.items() for zone in zones]
        return {"InstanceTypeOfferings": [{"InstanceType": k, "Location": z} for k, z in pairs]}

    def describe_instance_types(self, InstanceTypes: list[str]) -> Any:  # noqa: N803
        return {
            "InstanceTypes": [
                {"InstanceType": kind, "VCpuInfo": {"DefaultVCpus": self.vcpus}}
                for kind in InstanceTypes
            ]
        }

    def get_service_quota(self, **_: Any) -> Any:
        if self.limit is None:
            answer: Any = {"Error": {"Code": "AccessDeniedException"}}
            raise ClientError(answer, "GetServiceQuota")
        return {"Quota": {"Value": self.limit}}


def looked(
    offered: tuple[str, ...] = ZONES, vcpus: int = 2, limit: float | None = 1000, **changes: Any
) -> list[str]:
    aws: Any = FakeAws(offered={"m6i.large": offered}, vcpus=vcpus, limit=limit)
    findings = preflight(aws, an_environment(**changes), a_foundation())
    return [finding.words for finding in findings]


def test_nothing_to_say_when_there_is_plenty() -> None:
    assert looked() == []


def test_a_type_that_one_zone_lacks_is_told() -> None:
    assert looked(offered=ZONES[:1]) == ["m6i.large is not offered in us-east-1b"]


def test_a_type_that_every_zone_lacks_is_refused() -> None:
    with pytest.raises(Refused, match=r"m6i\.large is not offered in us-east-1a, us-east-1b"):
        looked(offered=())


def test_before_there_is_a_network_its_future_zones_are_asked_for() -> None:
    aws: Any = FakeAws(offered={"m6i.large": ZONES}, vcpus=2, limit=1000)

    assert preflight(aws, an_environment(), None) == ()


def test_a_quota_below_the_largest_cluster_is_told() -> None:
    (words,) = looked(limit=8)

    assert words == "the largest cluster needs 10 vCPUs, the account may run 8"


def test_a_quota_below_the_smallest_cluster_is_refused() -> None:
    with pytest.raises(Refused, match="the smallest cluster needs 4 vCPUs") as refused:
        looked(limit=3)

    assert STANDARD in refused.value.hint


def test_a_quota_that_may_not_be_read_is_no_obstacle() -> None:
    (words,) = looked(limit=None)

    assert words == "the account's vCPU quotas could not be read (AccessDeniedException)"


def test_everything_that_is_fatal_is_told_at_once() -> None:
    with pytest.raises(Refused) as refused:
        looked(offered=(), limit=1, tags={"a/b": "1", "_index": "2"})

    assert refused.value.message.count("\n") == 4


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
def test_a_type_counts_against_its_family_s_quota(instance_type: str, quota: str) -> None:
    assert quota_of(instance_type) == quota
