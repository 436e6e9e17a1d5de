"""Spot instances: their request, the service-linked role, and what they cannot do."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud.patches import iam
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.fakes import FakeClock
from tests.unit.localcloud.test_ec2 import Ec2, code_of

ROLE = "AWSServiceRoleForEC2Spot"
SPOT = {"MarketType": "spot"}
LAUNCH = {"Effect": "Allow", "Action": ["ec2:*"], "Resource": "*"}
CREATE_ROLE = {
    "Effect": "Allow",
    "Action": "iam:CreateServiceLinkedRole",
    "Resource": f"arn:aws:iam::*:role/aws-service-role/spot.amazonaws.com/{ROLE}",
    "Condition": {"StringEquals": {"iam:AWSServiceName": "spot.amazonaws.com"}},
}


@pytest.fixture
def ec2(aws: Clients) -> Ec2:
    return Ec2(aws("ec2"))


def ec2_of(*statements: dict[str, Any]) -> Ec2:
    """EC2 as a user with these permissions."""
    keys = iam.make_user("caller", {"Version": "2012-10-17", "Statement": list(statements)})
    return Ec2(boto3.client("ec2", region_name="us-east-1", **keys))


def roles(aws: Clients) -> list[str]:
    return [role["RoleName"] for role in aws("iam").list_roles()["Roles"]]


def persistent(behaviour: str = "stop") -> dict[str, Any]:
    options = {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": behaviour}
    return SPOT | {"SpotOptions": options}


def test_a_spot_instance_has_a_lifecycle_and_a_request(ec2: Ec2) -> None:
    spot = ec2.describe(ec2.launch(InstanceMarketOptions=SPOT))
    on_demand = ec2.describe(ec2.launch())

    assert spot["InstanceLifecycle"] == "spot"
    assert spot["SpotInstanceRequestId"].startswith("sir-")
    assert "InstanceLifecycle" not in on_demand
    assert "SpotInstanceRequestId" not in on_demand


def test_the_service_linked_role_is_created_for_who_may_create_it(aws: Clients) -> None:
    caller = ec2_of(LAUNCH, CREATE_ROLE)
    with iam.enforced():
        caller.launch(InstanceMarketOptions=SPOT)

    assert roles(aws) == [ROLE]


def test_without_the_role_who_may_not_create_it_launches_nothing(aws: Clients) -> None:
    caller = ec2_of(LAUNCH)
    with iam.enforced(), pytest.raises(ClientError) as refusal:
        caller.launch(InstanceMarketOptions=SPOT)

    assert code_of(refusal) == "AuthFailure.ServiceLinkedRoleCreationNotPermitted"
    assert roles(aws) == []
    assert aws("ec2").describe_instances()["Reservations"] == []


def test_with_the_role_no_one_needs_to_create_it(aws: Clients) -> None:
    aws("iam").create_service_linked_role(AWSServiceName="spot.amazonaws.com")
    caller = ec2_of(LAUNCH)
    with iam.enforced():
        instance = caller.describe(caller.launch(InstanceMarketOptions=SPOT))

    assert instance["InstanceLifecycle"] == "spot"


def test_a_one_time_spot_instance_cannot_be_stopped(ec2: Ec2, clock: FakeClock) -> None:
    instance = ec2.launch(InstanceMarketOptions=SPOT)
    clock.advance(10)

    with pytest.raises(ClientError) as refusal:
        ec2.api.stop_instances(InstanceIds=[instance])

    assert code_of(refusal) == "UnsupportedOperation"
    assert f"You can't stop the Spot Instance '{instance}'" in str(refusal.value)
    assert ec2.state(instance) == "running"


def test_a_persistent_spot_instance_can_be_stopped(ec2: Ec2, clock: FakeClock) -> None:
    instance = ec2.launch(InstanceMarketOptions=persistent())
    clock.advance(10)

    ec2.api.stop_instances(InstanceIds=[instance])
    clock.advance(10)

    assert ec2.state(instance) == "stopped"


@pytest.mark.parametrize(
    "options",
    [
        persistent("terminate"),
        SPOT | {"SpotOptions": {"InstanceInterruptionBehavior": "stop"}},
    ],
)
def test_only_a_persistent_request_stops_when_it_is_interrupted(
    ec2: Ec2, options: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as refusal:
        ec2.launch(InstanceMarketOptions=options)

    assert code_of(refusal) == "InvalidParameterCombination"
