"""Quotas: by market and class of instance type, whoever needs them."""

from typing import Any

from common.instance_types import TypeFacts
from common.quotas import QUOTAS, SPOT_QUOTAS, STANDARD, STANDARD_SPOT
from deploy.plan.quotas import NAMES, quota_findings
from tests.unit.deploy.builders import an_environment


class FakeQuotas:
    """Service Quotas, with one limit for each code and 1000 for all others."""

    def __init__(self, limits: dict[str, float]) -> None:
        self.limits = limits

    def __call__(self, service: str) -> "FakeQuotas":
        return self

    def get_service_quota(self, QuotaCode: str, **_: Any) -> Any:  # noqa: N803
        return {"Quota": {"Value": self.limits.get(QuotaCode, 1000.0)}}


VCPUS = {"m6i.large": 2, "g6.xlarge": 4, "g5.xlarge": 4, "p5.48xlarge": 192}
FACTS = {name: TypeFacts(name, vcpus, 0, ("x86_64",)) for name, vcpus in VCPUS.items()}
WORKERS = {
    "cpu": {"instance_types": ["m6i.large"], "min": 2, "max": 10},
    "gpu": {
        "instance_types": ["g6.xlarge", "g5.xlarge"],
        "market": "spot-then-on-demand",
        "min": 1,
        "max": 8,
    },
    "train": {"instance_types": ["p5.48xlarge"], "min": 2, "max": 2},
}


def findings_with(**limits: float) -> list[tuple[str, str, bool]]:
    aws: Any = FakeQuotas({code.replace("_", "-"): limit for code, limit in limits.items()})
    found = quota_findings(aws, an_environment(workers=WORKERS), FACTS)
    return [(finding.words, finding.hint[-11:-1], finding.fatal) for finding in found]


def test_each_market_and_class_has_a_quota_of_its_own() -> None:
    assert findings_with() == []
    assert findings_with(L_DB2E81BA=31, L_3819A6DF=31) == [
        (
            "the largest cluster needs 32 vCPUs of spot G and VT instances (workers.gpu), "
            "the account may run 31",
            "L-3819A6DF",
            False,
        ),
        (
            "the largest cluster needs 32 vCPUs of on-demand G and VT instances (workers.gpu), "
            "the account may run 31",
            "L-DB2E81BA",
            False,
        ),
    ]
    assert findings_with(L_417A185B=383) == [
        (
            "the smallest cluster needs 384 vCPUs of on-demand P instances (workers.train), "
            "the account may run 383",
            "L-417A185B",
            True,
        )
    ]


def test_a_group_that_may_use_either_of_two_quotas_needs_neither() -> None:
    assert findings_with(L_DB2E81BA=0)[0][2] is False


def test_a_quota_counts_the_heads_and_every_group_that_uses_it() -> None:
    assert findings_with(L_1216C47A=23)[0][0] == (
        "the largest cluster needs 24 vCPUs of on-demand standard instances (head, workers.cpu), "
        "the account may run 23"
    )
    assert findings_with(L_1216C47A=24) == []


def test_every_quota_has_a_name() -> None:
    used = {STANDARD, STANDARD_SPOT, *QUOTAS.values(), *SPOT_QUOTAS.values()}

    assert NAMES.keys() == used
    assert len(set(NAMES.values())) == len(used)


def test_a_rollout_needs_a_successor_for_every_head_unless_it_launches_them_after() -> None:
    """Two heads of 2 vCPUs and their successors, beside 10 workers: 8 + 20."""
    head = {"instance_type": "m6i.large", "standby": 1}

    def words(limit: float, launch: str) -> list[str]:
        aws: Any = FakeQuotas({STANDARD: limit})
        environment = an_environment(workers=WORKERS, head=head, rollout={"launch": launch})
        return [finding.words for finding in quota_findings(aws, environment, FACTS)]

    assert words(28, "first") == []
    assert words(27, "first")[0].startswith("the largest cluster needs 28 vCPUs")
    assert words(24, "after") == []
    assert words(23, "after")[0].startswith("the largest cluster needs 24 vCPUs")
