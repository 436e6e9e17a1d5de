"""Capacity reservations that do not fit their groups are found before a deploy."""

from typing import Any
from unittest.mock import Mock

import pytest

from common.clients import Clients
from deploy.plan.reservation_preflight import reservation_findings
from localcloud.world import World
from tests.unit.deploy.builders import a_group, a_release
from tests.unit.deploy.plan.findings import marked
from tests.unit.localcloud.conftest import clock, driver, world  # noqa: F401 - fixtures

CORRECT = "correct the group or the reservation"
SMALLER = "lower max, or enlarge the reservation"


@pytest.fixture
def clients(world: World) -> Clients:  # noqa: F811
    return Clients("us-east-1")


def reserved(clients: Clients, **changes: Any) -> str:
    wanted = {
        "InstanceType": "m6i.large",
        "InstancePlatform": "Linux/UNIX",
        "AvailabilityZone": "us-east-1a",
        "InstanceCount": 3,
    }
    answer = clients("ec2").create_capacity_reservation(**wanted | changes)
    return str(answer["CapacityReservation"]["CapacityReservationId"])


def found(clients: Clients, reservation: str, **group: Any) -> list[str]:
    reserving = a_group(
        capacity_reservation_id=reservation, **{"zones": ("us-east-1a",), "max": 3, **group}
    )
    return marked(reservation_findings(clients, a_release(groups=(reserving,))))


def test_a_reservation_that_fits_needs_no_words(clients: Clients) -> None:
    assert found(clients, reserved(clients)) == []


def test_without_a_reservation_none_is_looked_for(clients: Clients) -> None:
    before = clients.calls

    assert reservation_findings(clients, a_release()) == ()
    assert clients.calls == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"InstanceType": "m6i.xlarge"}, "is of m6i.xlarge, and instance_types are m6i.large"),
        ({"AvailabilityZone": "us-east-1b"}, "is in us-east-1b, and zones are us-east-1a"),
    ],
)
def test_a_reservation_of_another_type_or_zone_is_refused(
    clients: Clients, changes: dict[str, str], words: str
) -> None:
    reservation = reserved(clients, **changes)

    assert found(clients, reservation) == [
        f"!workers.worker.capacity_reservation_id: {reservation} {words} → {CORRECT}"
    ]


@pytest.mark.parametrize(
    ("key", "kind"), [("ReservationType", "capacity-block"), ("Tenancy", "dedicated")]
)
def test_a_reservation_that_launches_do_not_ask_for_is_refused(key: str, kind: str) -> None:
    reservation = {
        "InstanceType": "m6i.large",
        "AvailabilityZone": "us-east-1a",
        "TotalInstanceCount": 3,
        "State": "active",
        key: kind,
    }
    ec2 = Mock()
    ec2.describe_capacity_reservations.return_value = {"CapacityReservations": [reservation]}

    assert found(Mock(return_value=ec2), "cr-0123456789abcdef0") == [
        "!workers.worker.capacity_reservation_id: cr-0123456789abcdef0 has the "
        f"{key} {kind}, and workers are launched with default → {CORRECT}"
    ]


def test_a_reservation_below_the_minimum_is_refused(clients: Clients) -> None:
    reservation = reserved(clients, InstanceCount=1)

    assert found(clients, reservation, min=2) == [
        f"!{reservation} has room for 1 instances, and workers.worker may have 3, 2 at least"
        f" → {SMALLER}"
    ]


def test_a_reservation_that_is_not_active_is_refused(clients: Clients) -> None:
    reservation = reserved(clients)
    clients("ec2").cancel_capacity_reservation(CapacityReservationId=reservation)

    cancelled = f"!workers.worker.capacity_reservation_id: {reservation} is cancelled → {CORRECT}"
    assert cancelled in found(clients, reservation)


def test_a_reservation_that_does_not_exist_is_refused(clients: Clients) -> None:
    assert found(clients, "cr-0123456789abcdef0") == [
        f"!workers.worker.capacity_reservation_id: there is no cr-0123456789abcdef0 → {CORRECT}"
    ]


def test_a_reservation_smaller_than_its_group_is_only_named(clients: Clients) -> None:
    reservation = reserved(clients, InstanceCount=2)

    assert found(clients, reservation, min=2) == [
        f"{reservation} has room for 2 instances, and workers.worker may have 3 → {SMALLER}"
    ]
