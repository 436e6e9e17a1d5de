"""The boundary takes nothing from the nodes that they need, and adds nothing."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from common.clients import Clients
from localcloud.patches.cloudformation.template import parse
from localcloud.patches.internal import call
from tests.unit.deploy.account.conftest import an_account
from tests.unit.deploy.account.neighbours import actions_of
from tests.unit.deploy.builders import REGION
from tests.unit.deploy.foundation.privileges import (
    Place,
    a_place,
    acting_as,
    is_refused,
    made_by_the_stack,
    wrong_results,
)
from tests.unit.deploy.foundation.test_privileges import HEAD_MUST, WORKER_MUST
from tests.unit.localcloud.conftest import a_world
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

ROOT = Path(__file__).resolve().parents[4] / "deploy"
EVERYTHING = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """One for all tests of this module: what a node may do leaves the others what they need."""
    clock = FakeClock()
    with a_world(clock, FakeDriver(clock)):
        yield a_place(an_account(clock).environment, Clients(REGION), clock)


@pytest.fixture
def as_head(place: Place) -> Iterator[Place]:
    yield from acting_as(place, made_by_the_stack("HeadRole"))


@pytest.fixture
def as_allowed_all(place: Place) -> Iterator[Place]:
    """A head whose role has, beside its own policies, one that allows everything."""
    head = made_by_the_stack("HeadRole")
    policy = {"RoleName": head, "PolicyName": "x"}
    call("iam", "put_role_policy", **policy, PolicyDocument=EVERYTHING)
    yield from acting_as(place, head)
    call("iam", "delete_role_policy", **policy)


@pytest.fixture
def as_worker(place: Place) -> Iterator[Place]:
    yield from acting_as(place, made_by_the_stack("WorkerRole"))


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in (ROOT / "foundation/template.yaml", *(ROOT / "documents/template").glob("*"))
        if "AWS::IAM::" in path.read_text()
    ],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_it_admits_every_action_that_a_role_of_ours_may_call(path: Path) -> None:
    account = parse((ROOT / "account/template.yaml").read_text())
    within = set(actions_of(account["Resources"]["Boundary"]))
    resources = parse(path.read_text())["Resources"]
    ours = [one for one in resources.values() if one["Type"].startswith("AWS::IAM::")]

    beyond = {
        action
        for action in actions_of(ours)
        if not any(fnmatchcase(action.lower(), pattern.lower()) for pattern in within)
    }

    assert beyond == set()


def test_a_head_can_do_its_work_within_it(as_head: Place) -> None:
    assert wrong_results(HEAD_MUST, as_head, refused=False) == []


def test_a_worker_can_do_its_work_within_it(as_worker: Place) -> None:
    assert wrong_results(WORKER_MUST, as_worker, refused=False) == []


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("iam", "create_user", {"UserName": "me"}),
        ("iam", "delete_role", {"RoleName": "raykiln-dev-deploy"}),
        ("s3", "put_object", {"Bucket": "raykiln-dev-123456789012-us-east-1", "Key": "x"}),
        ("ssm", "get_parameter", {"Name": "/ray/other/redis_password"}),
        ("ssm", "put_parameter", {"Name": "/ray/dev/redis_password", "Value": "x"}),
        ("cloudformation", "delete_stack", {"StackName": "raykiln-dev"}),
        ("dynamodb", "delete_table", {"TableName": "raykiln-lease-dev"}),
        ("autoscaling", "delete_auto_scaling_group", {"AutoScalingGroupName": "ray-head-asg-dev"}),
        ("ec2", "create_vpc", {"CidrBlock": "10.0.0.0/16"}),
        ("secretsmanager", "get_secret_value", {"SecretId": "theirs"}),
    ],
)
def test_not_even_with_a_policy_for_everything_may_a_node(
    as_allowed_all: Place, service: str, operation: str, arguments: dict[str, str]
) -> None:
    def request(place: Place) -> Any:
        return getattr(place.aws(service), operation)(**arguments)

    assert is_refused(request, as_allowed_all)


def test_what_the_boundary_admits_a_policy_for_everything_allows(as_allowed_all: Place) -> None:
    assert not is_refused(lambda place: place.aws("ec2").describe_instances(), as_allowed_all)
