"""What the roles of two accounts may do for a copy, and nothing beside."""

from pathlib import Path

import pytest

from common.account_roles import role_arn
from common.clients import Clients
from common.errors import Refused
from common.progress import Silent
from deploy.account.account_setup import plan_account, remove_account, set_up_account
from deploy.account.desired_copies import TEMPLATE, filled_in, parameters
from deploy.release.promotion import plan_promotion
from localcloud.account import ACCOUNT, REGION, SECOND_ACCOUNT, SECOND_REGION
from localcloud.patches.cloudformation.template import parse
from localcloud.patches.iam import enforced, role_credentials, role_decides
from localcloud.patches.iam.policies import Answer
from localcloud.world import World
from tests.unit.deploy.account.neighbours import Keys, Try
from tests.unit.deploy.builders import an_environment
from tests.unit.deploy.release.places import (
    HEAD,
    PlaceClients,
    make_volume_key,
    places,
    set_up,
)
from tests.unit.deploy.release.test_copying import shares
from tests.unit.localcloud.fakes import FakeClock

THERE = f"{REGION}:{ACCOUNT}"
TAGGED: Keys = {"aws:ResourceTag/raykiln:digest": "a"}
STRANGER = "333333333333"
GRANTEE = f"arn:aws:iam::{STRANGER}:role/raykiln/account/raykiln-prod-bake"
# What the role that shares may not do, although it may do something of the kind.
BESIDE_SHARING = (
    Try("ec2:ModifyImageAttribute", f"arn:aws:ec2:{REGION}::image/ami-1"),
    Try(
        "ec2:ModifySnapshotAttribute",
        f"arn:aws:ec2:{REGION}::snapshot/snap-1",
        TAGGED | {"ec2:Add/userId": STRANGER},
    ),
    Try(
        "ec2:ModifySnapshotAttribute",
        f"arn:aws:ec2:{REGION}::snapshot/snap-1",
        TAGGED | {"ec2:Add/group": "all"},
    ),
    Try("ec2:ModifySnapshotAttribute", f"arn:aws:ec2:{REGION}::snapshot/snap-1"),
    Try("ec2:DeregisterImage", f"arn:aws:ec2:{REGION}::image/ami-1", TAGGED),
    Try("ec2:CopyImage", f"arn:aws:ec2:{REGION}::image/ami-1", TAGGED),
    Try("s3:PutObject", f"arn:aws:s3:::raykiln-staging-bakes-{ACCOUNT}-{REGION}/a/ami-1/x.json"),
    Try("s3:GetObject", f"arn:aws:s3:::raykiln-staging-{ACCOUNT}-{REGION}/staging/releases/0.json"),
    Try("s3:GetObject", f"arn:aws:s3:::raykiln-dev-bakes-{ACCOUNT}-{REGION}/a/ami-1/x.json"),
    Try("ssm:GetParameters", f"arn:aws:ssm:{THERE}:parameter/raykiln/images/dev/head"),
    Try("ssm:PutParameter", f"arn:aws:ssm:{THERE}:parameter/raykiln/images/staging/head"),
    Try("kms:Sign", f"arn:aws:kms:{THERE}:key/1"),
    Try("kms:Decrypt", f"arn:aws:kms:{THERE}:key/1"),
    Try(
        "kms:CreateGrant",
        f"arn:aws:kms:{THERE}:key/1",
        {
            "kms:GranteePrincipal": f"arn:aws:iam::{SECOND_ACCOUNT}:role/somebody",
            "kms:GrantOperations": "Decrypt",
        },
    ),
    Try(
        "kms:CreateGrant",
        f"arn:aws:kms:{THERE}:key/1",
        {"kms:GranteePrincipal": GRANTEE, "kms:GrantOperations": "Sign"},
    ),
)
BESIDE_COPYING = (
    Try("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/raykiln/account/raykiln-dev-share"),
    Try("sts:AssumeRole", f"arn:aws:iam::{STRANGER}:role/raykiln/account/raykiln-staging-share"),
    Try("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/raykiln/account/raykiln-staging-deploy"),
    Try("kms:Decrypt", f"arn:aws:kms:{REGION}:{STRANGER}:key/1"),
    Try("ec2:ModifySnapshotAttribute", f"arn:aws:ec2:{SECOND_REGION}::snapshot/snap-1"),
)


def test_both_roles_may_what_a_copy_takes_and_nothing_beside(
    world: World, clock: FakeClock, tmp_path: Path
) -> None:
    there = places(
        clock,
        tmp_path,
        region=SECOND_REGION,
        images={"require": ["tests", "sbom", "provenance"]},
    )
    set_up(there)
    ids = there.bake(key=make_volume_key(there.baker))
    clients = there.promoter()

    with enforced():
        there.promote(clients)
        assert plan_promotion(clients, there.staging, there.prod).is_empty

    assert len(there.copies()[ids[HEAD]]) == 1
    assert shares(ids[HEAD]) == ([], set(), [])
    for role, account, tries in (
        ("raykiln-staging-share", ACCOUNT, BESIDE_SHARING),
        ("raykiln-prod-bake", SECOND_ACCOUNT, BESIDE_COPYING),
    ):
        allowed = [one for one in tries if role_decides(role, one.check, account) is Answer.ALLOWED]
        assert allowed == []


@pytest.mark.parametrize("copies_to", [(), (STRANGER,)])
def test_an_account_that_the_source_does_not_name_is_refused(
    world: World, clock: FakeClock, tmp_path: Path, copies_to: tuple[str, ...]
) -> None:
    there = places(clock, tmp_path, copies_to=copies_to)
    set_up(there)
    there.bake()

    with enforced(), pytest.raises(Refused) as refused:
        plan_promotion(there.promoter(), there.staging, there.prod)

    words = f"staging in {ACCOUNT} {REGION} shares no images with the account {SECOND_ACCOUNT}"
    assert words in refused.value.message
    assert f'copies_to = ["{SECOND_ACCOUNT}"]' in refused.value.hint


def test_only_a_bake_role_of_the_other_account_becomes_the_one_that_shares(
    world: World, clock: FakeClock, tmp_path: Path
) -> None:
    there = places(clock, tmp_path)
    set_up(there)
    deployer = role_credentials("raykiln-prod-deploy", "somebody", SECOND_ACCOUNT)

    with enforced(), pytest.raises(Refused, match="shares no images"):
        plan_promotion(there.owner, there.staging, there.prod)
    with enforced(), pytest.raises(Refused, match="shares no images"):
        plan_promotion(PlaceClients(deployer, REGION), there.staging, there.prod)


def test_the_stack_of_copies_comes_and_goes_with_what_the_file_says(
    world: World, clock: FakeClock
) -> None:
    clients = Clients(REGION)
    sharing = an_environment(account={"copies_to": [SECOND_ACCOUNT]})
    names = [f"raykiln-dev-{kind}" for kind in ("bake", "deploy", "scientist")]

    words = plan_account(clients, sharing, clock=clock).words
    set_up_account(clients, sharing, clock=clock, progress=Silent())
    assert "+ stack raykiln-dev-copies" in words
    assert "    add ShareRole (IAM::Role)" in words
    assert role_arn(sharing, "share") in roles(clients)
    assert plan_account(clients, sharing, clock=clock).is_empty

    plan = plan_account(clients, an_environment(), clock=clock)
    set_up_account(clients, an_environment(), clock=clock, progress=Silent())
    assert plan.words == ("- stack raykiln-dev-copies",)
    assert sorted(arn.rpartition("/")[2] for arn in roles(clients)) == names

    set_up_account(clients, sharing, clock=clock, progress=Silent())
    remove_account(clients, sharing, clock=clock, progress=Silent())
    assert roles(clients) == []


def roles(clients: Clients) -> list[str]:
    """Return the roles of the account that Raykiln made."""
    return [role["Arn"] for role in clients("iam").list_roles(PathPrefix="/raykiln/")["Roles"]]


def test_its_template_has_the_parameters_that_it_is_given() -> None:
    environment = an_environment(
        account={"copies_to": [SECOND_ACCOUNT]},
        promotion={"source": "staging", "region": SECOND_REGION},
    )
    found = parse(TEMPLATE.read_text())["Parameters"]
    given = parse(filled_in(environment))["Parameters"]

    assert parameters(environment) == {
        "Environment": "dev",
        "BucketName": f"raykiln-dev-{ACCOUNT}-{REGION}",
        "ImagesBucketName": f"raykiln-dev-bakes-{ACCOUNT}-{REGION}",
        "CopiesTo": SECOND_ACCOUNT,
        "SourceRoleArn": f"arn:aws:iam::{ACCOUNT}:role/raykiln/account/raykiln-staging-share",
        "SourceAccount": ACCOUNT,
        "SourceRegion": SECOND_REGION,
    }
    assert set(found) == set(parameters(environment))
    assert {name: one["Default"] for name, one in given.items()} == parameters(environment)
