"""Instances that get notice of termination: spot interruptions, a group's target state."""

import json
from pathlib import Path
from typing import Any

import pytest

from localcloud.metadata import Metadata
from localcloud.patches import interruptions
from localcloud.world import World
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.fakes import FakeClock
from tests.unit.localcloud.groups import TERMINATING, Group
from tests.unit.localcloud.test_metadata import Launcher, Machine

ACTION = "/latest/meta-data/spot/instance-action"
RECOMMENDATION = "/latest/meta-data/events/recommendations/rebalance"
STATE = "/latest/meta-data/autoscaling/target-lifecycle-state"
SPOT: Any = {"InstanceMarketOptions": {"MarketType": "spot"}}


@pytest.fixture
def announced(world: World, tmp_path: Path) -> Path:
    """Where interruptions are declared."""
    path = tmp_path / "interruptions"
    interruptions.follow(path)
    return path


def status(machine: Machine, path: str) -> int:
    return machine.get(path, machine.token("600")).status


def test_only_the_interrupted_instance_gets_a_notice_and_is_terminated_on_time(
    world: World, aws: Clients, clock: FakeClock, announced: Path
) -> None:
    launch = Launcher(aws("ec2"), Metadata(world), clock)
    goes, stays = launch(**SPOT), launch(**SPOT)
    assert (status(goes, ACTION), status(stays, ACTION)) == (404, 404)

    announced.write_text(f"{goes.id} {clock.now() + interruptions.NOTICE:.0f}\n")

    assert json.loads(goes.read(ACTION))["action"] == "terminate"
    assert status(stays, ACTION) == 404
    clock.advance(interruptions.NOTICE - 5)
    assert state_of(aws, goes) == "running"
    clock.advance(5)
    assert state_of(aws, goes) in ("shutting-down", "terminated")
    assert state_of(aws, stays) == "running"


def test_an_interruption_can_be_withdrawn(
    world: World, aws: Clients, clock: FakeClock, announced: Path
) -> None:
    machine = Launcher(aws("ec2"), Metadata(world), clock)(**SPOT)
    announced.write_text(f"{machine.id} {clock.now() + 10:.0f}\n")
    announced.unlink()

    clock.advance(60)

    assert state_of(aws, machine) == "running"


def test_aws_interrupts_no_on_demand_instance(
    world: World, aws: Clients, clock: FakeClock, announced: Path, tmp_path: Path
) -> None:
    recommended = tmp_path / "recommendations"
    interruptions.follow_recommendations(recommended)
    machine = Launcher(aws("ec2"), Metadata(world), clock)()

    announced.write_text(f"{machine.id} {clock.now() + 10:.0f}\n")
    recommended.write_text(f"{machine.id} 1800000000\n")

    assert status(machine, ACTION) == 404
    assert status(machine, RECOMMENDATION) == 404
    clock.advance(60)
    assert state_of(aws, machine) == "running"


def test_a_rebalance_recommendation_is_in_the_metadata_of_the_instance_at_risk(
    world: World, aws: Clients, clock: FakeClock, tmp_path: Path
) -> None:
    launch = Launcher(aws("ec2"), Metadata(world), clock)
    risky, safe = launch(**SPOT), launch(**SPOT)
    recommended = tmp_path / "recommendations"
    interruptions.follow_recommendations(recommended)
    assert status(risky, RECOMMENDATION) == 404

    recommended.write_text(f"{risky.id} 1800000000\n")

    assert json.loads(risky.read(RECOMMENDATION)) == {"noticeTime": "2027-01-15T08:00:00Z"}
    assert status(safe, RECOMMENDATION) == 404


def test_a_member_sees_its_target_lifecycle_state(world: World, group: Group) -> None:
    group.create()
    group.settle()
    (member,) = group.ids
    machine = Machine(Metadata(world), group.instance(member))
    assert machine.read(STATE) == "InService"

    group.hook(TERMINATING)
    group.resize(0)
    group.settle(5)

    assert group.states == ["Terminating:Wait"]
    assert machine.read(STATE) == "Terminated"


def state_of(aws: Clients, machine: Machine) -> str:
    found = aws("ec2").describe_instances(InstanceIds=[machine.id])
    return str(found["Reservations"][0]["Instances"][0]["State"]["Name"])
