"""Zones: those that offer what is launched, and those that a stack has already.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypeOfferings.html
"""

from typing import Any

import boto3
import pytest
from moto.ec2.models.instance_types import InstanceTypeOfferingBackend as Offerings

from common.clients import Clients
from common.environment import Environment
from deploy.foundation.changes import apply_foundation, plan_foundation
from deploy.foundation.stack import Foundation
from deploy.foundation.zones import chosen_zones
from localcloud.world import World
from tests.unit.deploy.builders import an_environment
from tests.unit.localcloud.endpoints import serve
from tests.unit.localcloud.fakes import FakeClock

REGION = "us-east-1"
OPERATORS = {"operator_cidrs": ["10.0.0.0/8"]}


@pytest.fixture
def clients(world: World) -> Clients:
    return Clients(REGION)


def not_offered(monkeypatch: pytest.MonkeyPatch, *pairs: tuple[str, str]) -> None:
    """Have EC2 lack these instance types in these zones, ``("m6i.large", "a")``."""
    lost = {(kind, REGION + zone) for kind, zone in pairs}
    ask = Offerings.describe_instance_type_offerings

    def fewer(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = ask(self, *args, **kwargs)
        return [o for o in found if (o["InstanceType"], o["Location"]) not in lost]

    monkeypatch.setattr(Offerings, "describe_instance_type_offerings", fewer)


def letters(clients: Clients, **changes: Any) -> str:
    zones = chosen_zones(clients, an_environment(network=OPERATORS, **changes))
    return "".join(zone.removeprefix(REGION) for zone in zones)


def test_the_first_zones_that_offer_the_head_s_type_are_chosen(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert letters(clients) == "ab"

    not_offered(monkeypatch, ("m6i.large", "a"))

    assert letters(clients) == "bc"


def test_among_those_the_ones_that_offer_most_groups_come_first(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    not_offered(monkeypatch, ("g6.xlarge", "a"), ("g6.xlarge", "c"))
    workers = {
        "cpu": {"instance_types": ["m6i.large"], "min": 1, "max": 3},
        "gpu": {"instance_types": ["g6.xlarge"], "min": 0, "max": 3},
    }

    assert letters(clients, workers=workers) == "bd"


def test_a_zone_that_a_group_names_is_chosen(clients: Clients) -> None:
    gpu = {"instance_types": ["g6.xlarge"], "min": 0, "max": 3, "zones": ["us-east-1d"]}

    assert letters(clients, workers={"gpu": gpu}) == "ad"


def test_a_zone_without_an_endpoint_service_is_not_chosen(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where SSM has no endpoint, the stack of a VPC with endpoints would fail."""
    serve(monkeypatch, "ssm", "us-east-1a", "us-east-1c")

    assert letters(clients) == "ac"


def deployed(clients: Clients, environment: Environment, clock: FakeClock) -> Foundation:
    plan = plan_foundation(clients, environment, clock=clock)
    return apply_foundation(clients, environment, plan, clock=clock)


def zones_of(foundation: Foundation) -> list[str]:
    ids = list(foundation.private_subnet_ids)
    found = boto3.client("ec2").describe_subnets(SubnetIds=ids)["Subnets"]
    return sorted(subnet["AvailabilityZone"] for subnet in found)


def test_a_stack_keeps_its_zones_and_gets_a_third_beside_them(
    clients: Clients, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = deployed(clients, an_environment(network=OPERATORS), clock)
    assert zones_of(before) == ["us-east-1a", "us-east-1b"]

    not_offered(monkeypatch, ("m6i.large", "a"), ("m6i.large", "c"))

    assert plan_foundation(clients, an_environment(network=OPERATORS), clock=clock).is_empty
    after = deployed(clients, an_environment(network=OPERATORS | {"zones": 3}), clock)
    assert after.private_subnet_ids[:2] == before.private_subnet_ids
    assert zones_of(after) == ["us-east-1a", "us-east-1b", "us-east-1d"]


def test_a_head_that_the_first_zone_lacks_is_deployed_where_it_is_offered(
    clients: Clients, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    not_offered(monkeypatch, ("m6i.large", "a"))

    foundation = deployed(clients, an_environment(network=OPERATORS), clock)

    assert zones_of(foundation) == ["us-east-1b", "us-east-1c"]
