"""Which people may become the roles, where the file says who as docs/on-aws.md shows it."""

import re
import tomllib
from pathlib import Path

import pytest
from moto.iam.models import iam_backends

from common.clients import Clients
from common.progress import Silent
from deploy.account.account_setup import set_up_account
from localcloud.account import ACCOUNT
from localcloud.patches.iam.policies import Answer, Check, decide
from localcloud.world import World
from tests.unit.deploy.builders import REGION, an_environment
from tests.unit.localcloud.fakes import FakeClock

PAGE = Path(__file__).resolve().parents[4] / "docs/on-aws.md"
SSO = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com"


@pytest.fixture
def trusts(world: World, clock: FakeClock) -> dict[str, str]:
    """The trust policies of the account of the page's example, by role."""
    (example,) = re.findall(r"^```toml\n(\[account\]\n.*?)^```", PAGE.read_text(), re.M | re.S)
    environment = an_environment(account=tomllib.loads(example)["account"])
    set_up_account(Clients(REGION), environment, clock=clock, progress=Silent())
    roles = iam_backends[ACCOUNT]["aws"].roles.values()
    return {role.name: str(role.assume_role_policy_document) for role in roles}


# Identity Center's roles have its region in their path, except for us-east-1:
# https://aws.amazon.com/blogs/containers/a-quick-path-to-amazon-eks-single-sign-on-using-aws-sso/
@pytest.mark.parametrize("home", ["", "eu-central-1/"])
def test_the_pages_example_lets_people_of_identity_center_in_wherever_it_is(
    trusts: dict[str, str], home: str
) -> None:
    people = {
        name: f"{SSO}/{home}AWSReservedSSO_{name}_0123456789abcdef"
        for name in ("Platform", "Research", "Sales")
    }

    allowed = {
        name: {
            role.removeprefix("raykiln-dev-")
            for role, trust in trusts.items()
            if role.startswith("raykiln-dev-") and may_become(trust, arn)
        }
        for name, arn in people.items()
    }

    assert allowed == {"Platform": {"bake", "deploy"}, "Research": {"scientist"}, "Sales": set()}


def may_become(trust: str, arn: str) -> bool:
    check = Check("sts:AssumeRole", "*", {"aws:principalarn": (arn,)})
    return decide([trust], check, arn) is Answer.ALLOWED
