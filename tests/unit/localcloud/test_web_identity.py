"""Roles that are assumed with a token of GitHub's: as the trust policy says, and no other way."""

import json
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud.patches import iam, web_identity
from localcloud.world import now
from tests.unit.localcloud.test_iam import Account
from tests.workflows.issuer import GITHUB, Issuer

ROLE = "arn:aws:iam::123456789012:role/deploy"
PROVIDER = f"arn:aws:iam::123456789012:oidc-provider/{GITHUB}"
CLAIMS = {"aud": "sts.amazonaws.com", "sub": "repo:acme/ray:environment:prod"}
TRUST = {
    "Effect": "Allow",
    "Principal": {"Federated": PROVIDER},
    "Action": "sts:AssumeRoleWithWebIdentity",
    "Condition": {"StringEquals": {f"{GITHUB}:{key}": value for key, value in CLAIMS.items()}},
}


class Workflows:
    """An account with GitHub's provider and a role that trusts one environment of a repository."""

    def __init__(self, account: Account, folder: Path) -> None:
        self.issuer = Issuer(folder / "key.pem")
        self.iam = account.as_operator("iam")
        self.sts = boto3.client("sts", "us-east-1", config=Config(signature_version=UNSIGNED))
        self.iam.create_open_id_connect_provider(
            Url=f"https://{GITHUB}", ClientIDList=["sts.amazonaws.com"]
        )
        self.iam.create_role(
            RoleName="deploy",
            MaxSessionDuration=7200,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [TRUST]}),
        )
        self.issuer.publish(folder / "issuers")
        web_identity.follow(folder / "issuers")

    def assume(self, token: str = "", **more: Any) -> Any:
        asked = {"RoleArn": ROLE, "RoleSessionName": "run", **more}
        return self.sts.assume_role_with_web_identity(
            WebIdentityToken=token or self.token(), **asked
        )

    def token(self, **claims: Any) -> str:
        return self.issuer.token(now(), **{**CLAIMS, **claims})

    def refusal(self, token: str = "", **more: Any) -> str:
        with pytest.raises(ClientError) as refused:
            self.assume(token, **more)
        return str(refused.value.response["Error"]["Code"])


@pytest.fixture
def workflows(world: Any, tmp_path: Path) -> Any:
    account = Account()
    with iam.enforced():
        yield Workflows(account, tmp_path)


def test_who_the_trust_policy_names_gets_a_session_of_the_role(workflows: Workflows) -> None:
    answer = workflows.assume()

    made = answer["Credentials"]
    sts = boto3.client(
        "sts",
        "us-east-1",
        aws_access_key_id=made["AccessKeyId"],
        aws_secret_access_key=made["SecretAccessKey"],
        aws_session_token=made["SessionToken"],
    )
    arn = "arn:aws:sts::123456789012:assumed-role/deploy/run"
    assert sts.get_caller_identity()["Arn"] == arn == answer["AssumedRoleUser"]["Arn"]
    assert answer["SubjectFromWebIdentityToken"] == "repo:acme/ray:environment:prod"
    assert (answer["Audience"], answer["Provider"]) == ("sts.amazonaws.com", PROVIDER)


@pytest.mark.parametrize(
    "sub",
    [
        "repo:acme/ray:environment:staging",
        "repo:acme/ray:environment:prod-bake",
        "repo:other/ray:environment:prod",
        "repo:acme/ray:ref:refs/heads/main",
    ],
)
def test_another_environment_repository_or_branch_is_refused(
    workflows: Workflows, sub: str
) -> None:
    assert workflows.refusal(workflows.token(sub=sub)) == "AccessDenied"


def test_a_role_that_does_not_exist_is_refused_likewise(workflows: Workflows) -> None:
    assert workflows.refusal(RoleArn=f"{ROLE}-2") == "AccessDenied"


def test_a_token_for_another_audience_is_refused(workflows: Workflows) -> None:
    assert workflows.refusal(workflows.token(aud="https://github.com/acme")) == (
        "InvalidIdentityToken"
    )


def test_a_token_of_another_key_or_with_other_claims_is_refused(
    workflows: Workflows, tmp_path: Path
) -> None:
    forged = Issuer(tmp_path / "other.pem").token(now(), **CLAIMS)
    head, _, signature = workflows.token(sub="repo:other/ray:environment:prod").split(".")
    changed = ".".join((head, workflows.token().split(".")[1], signature))

    assert workflows.refusal(forged) == "InvalidIdentityToken"
    assert workflows.refusal(changed) == "InvalidIdentityToken"
    assert workflows.refusal("no token") == "InvalidIdentityToken"


def test_an_old_token_is_refused(workflows: Workflows) -> None:
    assert workflows.refusal(workflows.issuer.token(now() - 600, **CLAIMS)) == (
        "ExpiredTokenException"
    )


def test_an_issuer_that_the_account_does_not_know_is_refused(
    workflows: Workflows, tmp_path: Path
) -> None:
    other = Issuer(tmp_path / "key.pem", "example.com").token(now(), **CLAIMS)

    assert workflows.refusal(other) == "InvalidIdentityToken"


def test_an_issuer_that_publishes_nothing_is_refused(workflows: Workflows) -> None:
    web_identity.follow(None)

    assert workflows.refusal() == "IDPCommunicationError"


def test_a_session_is_no_longer_than_the_roles_longest(workflows: Workflows) -> None:
    ends = workflows.assume(DurationSeconds=7200)["Credentials"]["Expiration"].timestamp()

    assert ends - time.time() == pytest.approx(7200, abs=60)
    assert workflows.refusal(DurationSeconds=7201) == "ValidationError"


def test_trust_in_the_whole_account_is_no_trust_in_a_provider(workflows: Workflows) -> None:
    everyone = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": "sts:AssumeRoleWithWebIdentity",
    }
    workflows.iam.update_assume_role_policy(
        RoleName="deploy",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [everyone]}),
    )

    assert workflows.refusal() == "AccessDenied"
