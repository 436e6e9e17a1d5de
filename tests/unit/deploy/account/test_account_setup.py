"""The stack of an environment's account: created, changed, left alone, and removed."""

import json
from typing import Any

import pytest

from common.account_roles import role_arn
from common.clients import Clients
from common.progress import Silent
from deploy.account.account_setup import plan_account, remove_account, set_up_account
from deploy.account.desired_account import TEMPLATE, boundary_arn, filled_in, parameters
from localcloud.patches.cloudformation.template import parse
from localcloud.world import World
from tests.unit.deploy.builders import REGION, an_environment
from tests.unit.localcloud.fakes import FakeClock

REPOSITORY = {"repository": "acme/ray"}
PROVIDER = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"


def set_up(clock: FakeClock, **account: Any) -> dict[str, str]:
    """Set up the account of the environment dev; return the stack's outputs."""
    environment, clients = an_environment(account=account), Clients(REGION)
    return set_up_account(clients, environment, clock=clock, progress=Silent()).outputs


def test_it_creates_three_roles_and_a_boundary_and_says_so_before(
    world: World, clock: FakeClock
) -> None:
    environment, clients = an_environment(account=REPOSITORY), Clients(REGION)

    words = plan_account(clients, environment, clock=clock).words

    assert words[:3] == (
        "+ service-linked role AWSServiceRoleForAutoScaling",
        "+ service-linked role AWSServiceRoleForElasticLoadBalancing",
        "+ stack raykiln-dev-account",
    )
    assert "    add DeployRole (IAM::Role)" in words
    assert set_up(clock, **REPOSITORY) == {
        "BakeRoleArn": "arn:aws:iam::123456789012:role/raykiln/account/raykiln-dev-bake",
        "DeployRoleArn": "arn:aws:iam::123456789012:role/raykiln/account/raykiln-dev-deploy",
        "ScientistRoleArn": "arn:aws:iam::123456789012:role/raykiln/account/raykiln-dev-scientist",
        "BoundaryArn": "arn:aws:iam::123456789012:policy/raykiln/account/raykiln-dev-boundary",
        "OidcProviderArn": PROVIDER,
    }


def test_a_second_time_there_is_nothing_to_do(world: World, clock: FakeClock) -> None:
    set_up(clock, **REPOSITORY)

    plan = plan_account(Clients(REGION), an_environment(account=REPOSITORY), clock=clock)

    assert plan.is_empty
    assert plan.words == ()


def test_a_provider_that_the_account_has_is_used_and_stays(world: World, clock: FakeClock) -> None:
    iam, clients = Clients(REGION)("iam"), Clients(REGION)
    iam.create_open_id_connect_provider(
        Url="https://token.actions.githubusercontent.com", ThumbprintList=["a" * 40]
    )

    assert set_up(clock, **REPOSITORY)["OidcProviderArn"] == PROVIDER
    assert set_up(clock, **REPOSITORY)["OidcProviderArn"] == PROVIDER

    remove_account(clients, an_environment(), clock=clock, progress=Silent())
    found = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    assert [one["Arn"] for one in found] == [PROVIDER]


def test_without_a_repository_there_is_no_trust_in_github(world: World, clock: FakeClock) -> None:
    assert "OidcProviderArn" not in set_up(clock)

    trust = json.dumps(trust_of("raykiln-dev-deploy"))
    assert "AssumeRoleWithWebIdentity" not in trust


def test_its_names_are_those_that_the_environment_expects(world: World, clock: FakeClock) -> None:
    outputs, environment = set_up(clock), an_environment()

    assert role_arn(environment, "bake") == outputs["BakeRoleArn"]
    assert role_arn(environment, "deploy") == outputs["DeployRoleArn"]
    assert role_arn(environment, "scientist") == outputs["ScientistRoleArn"]
    assert boundary_arn(environment) == outputs["BoundaryArn"]


def test_a_boundary_that_the_account_demands_is_used(world: World, clock: FakeClock) -> None:
    theirs = "arn:aws:iam::123456789012:policy/theirs"
    environment = an_environment(nodes={"permissions_boundary": theirs})

    stack = set_up_account(Clients(REGION), environment, clock=clock, progress=Silent())

    assert stack.outputs["BoundaryArn"] == theirs
    ours = parameters(
        an_environment(nodes={"permissions_boundary": boundary_arn(an_environment())})
    )
    assert ours["BoundaryArn"] == ""


def test_removed_it_leaves_no_role(world: World, clock: FakeClock) -> None:
    set_up(clock, **REPOSITORY)

    assert remove_account(Clients(REGION), an_environment(), clock=clock, progress=Silent())

    roles = Clients(REGION)("iam").list_roles(PathPrefix="/raykiln/")["Roles"]
    assert roles == []


def test_each_parameter_of_the_template_has_a_value() -> None:
    assert set(parameters(an_environment())) == set(parse(TEMPLATE.read_text())["Parameters"])


def test_the_file_for_the_console_has_the_environments_values() -> None:
    tree = parse(filled_in(an_environment(account=REPOSITORY)))

    defaults = {name: one.get("Default") for name, one in tree["Parameters"].items()}
    assert defaults == parameters(an_environment(account=REPOSITORY))
    assert tree["Resources"] == parse(TEMPLATE.read_text())["Resources"]


@pytest.mark.parametrize(
    ("role", "subject"),
    [
        ("raykiln-dev-bake", "repo:acme/ray:environment:dev-bake"),
        ("raykiln-dev-deploy", "repo:acme/ray:environment:dev"),
    ],
)
def test_only_jobs_of_one_github_environment_may_become_it(
    world: World, clock: FakeClock, role: str, subject: str
) -> None:
    set_up(clock, **REPOSITORY)

    federated = {"Federated": PROVIDER}
    (workflows,) = (one for one in trust_of(role)["Statement"] if one["Principal"] == federated)

    assert workflows["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": subject,
        }
    }


def trust_of(role: str) -> dict[str, Any]:
    document: dict[str, Any] = Clients(REGION)("iam").get_role(RoleName=role)["Role"][
        "AssumeRolePolicyDocument"
    ]
    return document


def test_even_with_the_longest_name_nothing_is_larger_than_aws_takes(
    world: World, clock: FakeClock
) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    environment = an_environment(name="a-long-name-for-a-few", account={"drills": True})
    desired = plan_account(Clients(REGION), environment, clock=clock).desired

    set_up_account(Clients(REGION), environment, clock=clock, progress=Silent())

    iam = Clients(REGION)("iam")
    for policy in iam.list_policies(Scope="Local")["Policies"]:
        version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId="v1")["PolicyVersion"]
        size = len(json.dumps(version["Document"], separators=(",", ":")))
        assert size <= 6_144, f"{policy['PolicyName']}: {size}"
    name = "raykiln-a-long-name-for-a-few-deploy"
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    assert len(attached) <= 10
    assert len(desired.template.encode()) <= 51_200
