"""EC2 carries out a request with a client token once (ec2-api-idempotency.html)."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.patches.client_tokens import operations
from tests.unit.localcloud.conftest import Clients


@pytest.fixture
def ec2(aws: Clients) -> Any:
    return aws("ec2")


def test_a_launch_that_is_sent_twice_launches_once(ec2: Any) -> None:
    request = {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 1, "ClientToken": "one"}

    first, again, other = (
        ec2.run_instances(**request | {"ClientToken": token}) for token in ("one", "one", "two")
    )

    ids = [answer["Instances"][0]["InstanceId"] for answer in (first, again, other)]
    assert ids[0] == ids[1] != ids[2]
    assert len(ec2.describe_instances()["Reservations"]) == 2


def test_a_version_that_is_sent_twice_is_created_once(ec2: Any) -> None:
    data = {"LaunchTemplateName": "head", "LaunchTemplateData": {"ImageId": "ami-1"}}
    ec2.create_launch_template(**data)

    first, again = (
        ec2.create_launch_template_version(**data, ClientToken="one")["LaunchTemplateVersion"]
        for _ in range(2)
    )

    assert first["VersionNumber"] == again["VersionNumber"] == 2
    found = ec2.describe_launch_template_versions(LaunchTemplateName="head")
    assert len(found["LaunchTemplateVersions"]) == 2


def test_a_token_with_other_parameters_is_refused(ec2: Any) -> None:
    request = {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 1, "ClientToken": "one"}
    ec2.run_instances(**request)

    with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
        ec2.run_instances(**request | {"InstanceType": "m6i.large"})


def test_a_token_whose_request_was_refused_can_be_used(ec2: Any) -> None:
    request = {"MinCount": 1, "MaxCount": 1, "ClientToken": "one"}
    with pytest.raises(ClientError, match="InvalidAMIID"):
        ec2.run_instances(**request, ImageId="ami-99")

    answer = ec2.run_instances(**request, ImageId="ami-1")

    assert len(answer["Instances"]) == 1


def test_the_operations_are_those_of_ec2s_model() -> None:
    assert {"run_instances", "create_launch_template", "create_volume", "create_nat_gateway"} <= {
        *operations()
    }
