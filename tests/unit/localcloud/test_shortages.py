"""Capacity that tests declare short: by type, zone and market, to a number of instances."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.patches import shortages
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.fakes import FakeClock
from tests.unit.localcloud.test_ec2 import Ec2, code_of

SPOT = {"MarketType": "spot"}
ZONE = "us-east-1a"


@pytest.fixture
def ec2(aws: Clients) -> Ec2:
    return Ec2(aws("ec2"))


def launched(ec2: Ec2, least: int = 1, most: int = 1, **more: Any) -> list[str]:
    request = {"ImageId": "ami-1", "InstanceType": "m6i.large"} | more
    answer = ec2.api.run_instances(MinCount=least, MaxCount=most, **request)
    return [instance["InstanceId"] for instance in answer["Instances"]]


def in_zone(zone: str) -> dict[str, Any]:
    return {"Placement": {"AvailabilityZone": zone}}


def test_a_launch_gives_as_many_as_there_are(ec2: Ec2) -> None:
    shortages.declare("m6i.large", count=3)

    assert len(launched(ec2, 1, 5)) == 3
    with pytest.raises(ClientError) as refusal:
        launched(ec2)
    assert code_of(refusal) == "InsufficientInstanceCapacity"


def test_a_launch_gives_none_when_there_are_fewer_than_its_minimum(ec2: Ec2) -> None:
    shortages.declare("m6i.large", count=3)

    with pytest.raises(ClientError) as refusal:
        launched(ec2, 4, 5)

    assert code_of(refusal) == "InsufficientInstanceCapacity"
    assert ec2.api.describe_instances()["Reservations"] == []


def test_a_terminated_instance_is_capacity_again(ec2: Ec2, clock: FakeClock) -> None:
    shortages.declare("m6i.large", count=1)
    (instance,) = launched(ec2)
    clock.advance(10)

    ec2.api.terminate_instances(InstanceIds=[instance])

    assert len(launched(ec2)) == 1


def test_a_shortage_may_be_of_one_market(ec2: Ec2) -> None:
    shortages.declare("m6i.large", "*", "spot")

    assert len(launched(ec2)) == 1
    with pytest.raises(ClientError) as refusal:
        launched(ec2, InstanceMarketOptions=SPOT)

    assert code_of(refusal) == "InsufficientInstanceCapacity"
    words = "There is no Spot capacity available that matches your request."
    assert words in str(refusal.value)


def test_on_demand_instances_do_not_use_up_spot_capacity(ec2: Ec2) -> None:
    shortages.declare("m6i.large", "*", "spot", count=2)
    launched(ec2, 2, 2)

    assert len(launched(ec2, 1, 5, InstanceMarketOptions=SPOT)) == 2


def test_the_error_names_the_zones_that_have_capacity(ec2: Ec2) -> None:
    shortages.declare("m6i.large", ZONE)
    shortages.declare("m6i.large", "us-east-1c")

    with pytest.raises(ClientError) as refusal:
        launched(ec2, **in_zone(ZONE))

    assert refusal.value.response["Error"]["Message"] == (
        "We currently do not have sufficient m6i.large capacity in the Availability Zone you "
        "requested (us-east-1a). Our system will be working on provisioning additional capacity. "
        "You can currently get m6i.large capacity by not specifying an Availability Zone in your "
        "request or choosing us-east-1b, us-east-1d, us-east-1f."
    )
    assert len(launched(ec2, **in_zone("us-east-1b"))) == 1


def test_a_file_declares_market_and_count(ec2: Ec2, tmp_path: Path) -> None:
    short = tmp_path / "shortages"
    shortages.follow(short)
    short.write_text("m6i.* us-east-1a spot\nm6i.* us-east-1a on-demand 2\nm6i.* us-east-1a * x\n")

    assert len(launched(ec2, 1, 5, **in_zone(ZONE))) == 2
    with pytest.raises(ClientError):
        launched(ec2, InstanceMarketOptions=SPOT, **in_zone(ZONE))
    shortages.follow(None)
