"""Which of the account's quotas an instance type counts against."""

import pytest

from common.quotas import STANDARD, STANDARD_SPOT, quota_of


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
