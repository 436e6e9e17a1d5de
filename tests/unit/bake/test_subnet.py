"""Builds run in the configured subnet, if it assigns no public addresses, or the default VPC."""

from typing import Any

import pytest

from bake.subnet import Subnet, resolve_subnet
from common.clients import Clients
from common.errors import Refused
from common.image_settings import ImageSettings
from tests.unit.answers import Answers


def settings(subnet_id: str = "") -> ImageSettings:
    return ImageSettings(base_id="ami-1", build_subnet_id=subnet_id)


def test_by_default_a_subnet_of_the_default_vpc_is_used(clients: Clients) -> None:
    (default,) = clients("ec2").describe_vpcs()["Vpcs"]

    assert resolve_subnet(clients, settings()).vpc_id == default["VpcId"]


def test_the_configured_private_subnet_is_used(clients: Clients) -> None:
    vpc = clients("ec2").create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    made = clients("ec2").create_subnet(VpcId=vpc, CidrBlock="10.77.1.0/24")["Subnet"]["SubnetId"]

    found = resolve_subnet(clients, settings(made))

    assert (found.subnet_id, found.vpc_id) == (made, vpc)


def test_a_subnet_that_assigns_public_addresses_is_refused(clients: Clients) -> None:
    public = clients("ec2").describe_subnets()["Subnets"][0]["SubnetId"]

    with pytest.raises(Refused, match="gives its instances public addresses"):
        resolve_subnet(clients, settings(public))


def test_a_subnet_that_does_not_exist_is_named(clients: Clients) -> None:
    with pytest.raises(Refused, match="there is no subnet subnet-0123456789abcdef0"):
        resolve_subnet(clients, settings("subnet-0123456789abcdef0"))


NAMED = "subnet-0123456789abcdef0"


def a_subnet(name: str, zone: str, *, public: bool = False) -> dict[str, Any]:
    return {
        "SubnetId": name,
        "VpcId": "vpc-1",
        "AvailabilityZone": zone,
        "MapPublicIpOnLaunch": public,
    }


def test_of_the_default_subnets_that_of_the_first_zone_is_used() -> None:
    both = [a_subnet("subnet-b", "us-east-1b"), a_subnet("subnet-a", "us-east-1a", public=True)]
    aws: Any = Answers(describe_subnets={"Subnets": both})

    assert resolve_subnet(aws, settings()) == Subnet("subnet-a", "vpc-1")
    filters = [{"Name": "default-for-az", "Values": ["true"]}]
    assert aws.requests == [("ec2:describe_subnets", {"Filters": filters})]


@pytest.mark.parametrize(
    ("named", "found", "message", "hint"),
    [
        (
            "",
            [],
            "there is no default VPC with a subnet",
            "correct [images.gpu] build_subnet_id in the environment's file",
        ),
        (
            NAMED,
            [],
            "there is no subnet subnet-0123456789abcdef0",
            "correct [images.gpu] build_subnet_id in the environment's file",
        ),
        (
            NAMED,
            [a_subnet(NAMED, "us-east-1a", public=True)],
            "subnet-0123456789abcdef0 gives its instances public addresses",
            "set [images.gpu] build_subnet_id to a private subnet",
        ),
    ],
)
def test_a_subnet_that_will_not_do_is_named_with_its_table(
    named: str, found: list[Any], message: str, hint: str
) -> None:
    aws: Any = Answers(describe_subnets={"Subnets": found})

    with pytest.raises(Refused) as refused:
        resolve_subnet(aws, settings(named), "images.gpu")

    assert (refused.value.message, refused.value.hint) == (message, hint)
