"""Find capacity reservations that a group's workers could not be launched into. Reads AWS (EC2).

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/capacity-reservations-launch.html
"""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from deploy.plan.finding import Finding
from deploy.release.release import Release
from deploy.release.settings import Group

UNKNOWN = ("InvalidCapacityReservationId.NotFound", "InvalidCapacityReservationId.Malformed")
ACTIVE, DEFAULT = "active", "default"


def reservation_findings(clients: Clients, release: Release) -> tuple[Finding, ...]:
    """Return what is wrong with the reservations of the groups; one call for each of them."""
    reserved = [group for group in release.settings.groups if group.capacity_reservation_id]
    return tuple(found for group in reserved for found in _findings(clients, group))


def _findings(clients: Clients, group: Group) -> Iterator[Finding]:
    name = group.capacity_reservation_id
    reservation = _reservation(clients, name)
    for words in _mismatches(group, reservation) if reservation else (f"there is no {name}",):
        yield Finding(
            f"workers.{group.name}.capacity_reservation_id: {words}",
            hint="correct the group or the reservation",
            fatal=True,
        )
    if reservation and (room := int(reservation["TotalInstanceCount"])) < group.max:
        least = f", {group.min} at least" if room < group.min else ""
        yield Finding(
            f"{name} has room for {room} instances, and workers.{group.name} may have "
            f"{group.max}{least}",
            hint="lower max, or enlarge the reservation",
            fatal=room < group.min,
        )


def _reservation(clients: Clients, name: str) -> dict[str, Any] | None:
    with translated("reading the capacity reservations"):
        try:
            found = clients("ec2").describe_capacity_reservations(CapacityReservationIds=[name])
        except ClientError as error:
            if error_code(error) not in UNKNOWN:
                raise
            return None
    return next(iter(found["CapacityReservations"]), None)


def _mismatches(group: Group, reservation: dict[str, Any]) -> Iterator[str]:
    name, kind = group.capacity_reservation_id, reservation["InstanceType"]
    if (state := reservation["State"]) != ACTIVE:
        yield f"{name} is {state}"
    # A Capacity Block is a market of its own, for which launches would have to ask:
    # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/capacity-blocks-launch.html
    for key in ("ReservationType", "Tenancy"):
        if (theirs := reservation.get(key, DEFAULT)) != DEFAULT:
            yield f"{name} has the {key} {theirs}, and workers are launched with {DEFAULT}"
    if group.instance_types != (kind,):
        yield f"{name} is of {kind}, and instance_types are {', '.join(group.instance_types)}"
    if (zone := reservation["AvailabilityZone"]) not in group.zones:
        yield f"{name} is in {zone}, and zones are {', '.join(group.zones)}"
