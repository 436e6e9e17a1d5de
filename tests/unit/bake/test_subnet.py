"""Builds run in the configured subnet, if it assigns no public addresses, or the default VPC."""

import pytest

from bake.subnet import resolve_subnet
from common.clients import Clients
from common.errors import Refused
from common.image_settings import ImageSettings


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
