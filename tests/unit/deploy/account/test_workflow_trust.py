"""Which jobs of GitHub's may assume the roles of an environment's account."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from common.account_roles import role_arn
from common.clients import Clients
from common.progress import Silent
from deploy.account.account_setup import set_up_account
from localcloud.patches import web_identity
from localcloud.patches.iam import enforced
from localcloud.world import World, now
from tests.unit.deploy.builders import REGION, an_environment
from tests.unit.localcloud.fakes import FakeClock
from tests.workflows.issuer import Issuer

AUDIENCE = "sts.amazonaws.com"
# By role: how long the workflows' sessions are.
SECONDS = {"bake": 7200, "deploy": 21600}


# A repository as GitHub's tokens name it, with its ids since July 2026.
WITH_IDS = "acme@123456/ray@456789"


@pytest.fixture
def issuer(world: World, clock: FakeClock, tmp_path: Path) -> Issuer:
    """GitHub, and the account of the environment dev, which trusts acme/ray."""
    return an_issuer("acme/ray", clock, tmp_path)


@pytest.fixture
def issuer_with_ids(world: World, clock: FakeClock, tmp_path: Path) -> Issuer:
    """The same for a repository whose tokens have ids."""
    return an_issuer(WITH_IDS, clock, tmp_path)


def an_issuer(repository: str, clock: FakeClock, tmp_path: Path) -> Issuer:
    environment = an_environment(account={"repository": repository})
    set_up_account(Clients(REGION), environment, clock=clock, progress=Silent())
    found = Issuer(tmp_path / "key.pem")
    found.publish(tmp_path / "issuers")
    web_identity.follow(tmp_path / "issuers")
    return found


def assume(issuer: Issuer, role: str, subject: str) -> Any:
    sts = boto3.client("sts", REGION, config=Config(signature_version=UNSIGNED))
    with enforced():
        return sts.assume_role_with_web_identity(
            RoleArn=role_arn(an_environment(), role),
            RoleSessionName="GitHubActions",
            WebIdentityToken=issuer.token(now(), aud=AUDIENCE, sub=subject),
            DurationSeconds=SECONDS.get(role, 3600),
        )


@pytest.mark.parametrize(("role", "place"), [("bake", "dev-bake"), ("deploy", "dev")])
def test_a_job_in_the_roles_environment_assumes_it_for_as_long_as_it_asks(
    issuer: Issuer, role: str, place: str
) -> None:
    answer = assume(issuer, role, f"repo:acme/ray:environment:{place}")

    assert answer["AssumedRoleUser"]["Arn"].endswith(f"/raykiln-dev-{role}/GitHubActions")


@pytest.mark.parametrize(("role", "place"), [("bake", "dev-bake"), ("deploy", "dev")])
def test_so_does_a_job_whose_token_has_the_ids_of_its_repository(
    issuer_with_ids: Issuer, role: str, place: str
) -> None:
    answer = assume(issuer_with_ids, role, f"repo:{WITH_IDS}:environment:{place}")

    assert answer["AssumedRoleUser"]["Arn"].endswith(f"/raykiln-dev-{role}/GitHubActions")


@pytest.mark.parametrize("name", ["acme/ray", "acme@1/ray@456789", "acme@123456/ray@4567890"])
def test_a_repository_of_the_same_name_with_other_ids_does_not(
    issuer_with_ids: Issuer, name: str
) -> None:
    with pytest.raises(ClientError, match="Not authorized to perform"):
        assume(issuer_with_ids, "deploy", f"repo:{name}:environment:dev")


@pytest.mark.parametrize(
    ("role", "subject"),
    [
        ("deploy", f"repo:{WITH_IDS}:environment:dev"),
        ("deploy", "repo:acme/ray:environment:dev-bake"),
        ("bake", "repo:acme/ray:environment:dev"),
        ("deploy", "repo:acme/ray:environment:prod"),
        ("deploy", "repo:acme/ray:ref:refs/heads/main"),
        ("deploy", "repo:acme/ray:pull_request"),
        ("deploy", "repo:other/ray:environment:dev"),
        ("scientist", "repo:acme/ray:environment:dev"),
    ],
)
def test_no_other_job_does(issuer: Issuer, role: str, subject: str) -> None:
    with pytest.raises(ClientError, match="Not authorized to perform"):
        assume(issuer, role, subject)
