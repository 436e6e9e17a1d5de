"""Who deploys as the account's deploy role creates roles with a boundary alone."""

from typing import Any

import pytest

from deploy.plan.account_preflight import account_findings
from tests.unit.deploy.builders import an_environment
from tests.unit.deploy.plan.findings import marked

ASSUMED = "arn:aws:sts::123456789012:assumed-role/raykiln-dev-deploy/somebody"
BOUNDARY = "arn:aws:iam::123456789012:policy/raykiln/account/raykiln-dev-boundary"


class FakeSts:
    """Says who calls."""

    def __init__(self, arn: str) -> None:
        self.arn = arn

    def __call__(self, service: str) -> "FakeSts":
        assert service == "sts"
        return self

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": "123456789012", "Arn": self.arn}


def found(arn: str, **nodes: str) -> list[str]:
    clients: Any = FakeSts(arn)
    return marked(account_findings(clients, an_environment(nodes=nodes)))


def test_the_deploy_role_needs_the_boundary_in_the_environment() -> None:
    assert found(ASSUMED) == [
        "!nodes.permissions_boundary is missing: raykiln-dev-deploy creates no role without it"
        " → set it to …:policy/raykiln/account/raykiln-dev-boundary; invoke account.setup --env "
        "dev prints it"
    ]


def test_with_a_boundary_aws_is_not_asked_who_calls() -> None:
    def unasked(service: str) -> Any:
        raise AssertionError(service)

    clients: Any = unasked
    environment = an_environment(nodes={"permissions_boundary": BOUNDARY})
    assert account_findings(clients, environment) == ()


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::123456789012:user/somebody",
        "arn:aws:sts::123456789012:assumed-role/another-raykiln-dev-deploy/somebody",
        "arn:aws:sts::123456789012:assumed-role/raykiln-dev-deployer/somebody",
    ],
)
def test_anyone_else_s_permissions_are_the_account_s_affair(arn: str) -> None:
    assert found(arn) == []
