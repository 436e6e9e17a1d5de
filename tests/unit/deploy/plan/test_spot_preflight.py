"""What keeps an account from launching spot instances is found before a deploy."""

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from common.errors import Unanswered
from deploy.plan.finding import Finding
from deploy.plan.spot_preflight import spot_findings
from deploy.release.release import Release
from tests.unit.deploy.builders import a_group, a_release

ROLE = "AWSServiceRoleForEC2Spot"


class FakeIam:
    """Answers GetRole with that role, or with an error."""

    def __init__(self, error: str = "") -> None:
        self.error, self.asked = error, 0

    def __call__(self, service: str) -> "FakeIam":
        assert service == "iam"
        return self

    def get_role(self, RoleName: str) -> Any:  # noqa: N803
        assert RoleName == ROLE
        self.asked += 1
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": "no"}}, "GetRole")
        return {"Role": {"RoleName": ROLE}}


def released(**markets: str) -> Release:
    """Return a release with these groups, each with its markets in one text."""
    groups = [replace(a_group(), name=n, markets=tuple(m.split())) for n, m in markets.items()]
    return a_release(groups=tuple(groups))


def found(iam: FakeIam, release: Release) -> tuple[Finding, ...]:
    clients: Any = iam
    return spot_findings(clients, release)


def test_without_spot_the_role_is_not_looked_for() -> None:
    iam = FakeIam("NoSuchEntity")

    assert found(iam, released(cpu="on-demand")) == ()
    assert iam.asked == 0


def test_with_the_role_there_is_nothing_to_say() -> None:
    assert found(FakeIam(), released(gpu="spot", cpu="on-demand")) == ()


def test_without_the_role_a_deploy_is_refused_and_told_how_to_create_it() -> None:
    (finding,) = found(FakeIam("NoSuchEntity"), released(cpu="spot on-demand", gpu="spot"))

    assert finding.fatal
    assert (
        finding.words
        == f"the account has no role {ROLE}: EC2 would refuse the groups cpu, gpu on spot"
    )
    assert finding.hint == (
        "once for the account: aws iam create-service-linked-role "
        "--aws-service-name spot.amazonaws.com"
    )


def test_who_may_not_look_for_the_role_may_deploy() -> None:
    (finding,) = found(FakeIam("AccessDenied"), released(gpu="spot"))

    assert not finding.fatal
    assert finding.words == (
        f"these credentials may not look for {ROLE}, which EC2 needs for the group gpu on spot"
    )
    assert finding.hint == "allow iam:GetRole, or see that the role exists"


def test_another_error_is_no_verdict() -> None:
    with pytest.raises(Unanswered):
        found(FakeIam("ServiceFailure"), released(gpu="spot"))
