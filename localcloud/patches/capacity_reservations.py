"""On-Demand Capacity Reservations, and instances that are launched into one; moto has none.

Follows, in the EC2 API, CreateCapacityReservation, DescribeCapacityReservations,
CancelCapacityReservation and CapacityReservationTarget of RunInstances, "Error codes for the Amazon
EC2 API" (https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html:
InvalidCapacityReservationId.NotFound, ReservationCapacityExceeded) and
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/capacity-reservations-launch.html: instances
must have its type and its Availability Zone, and as many are launched as it has room for. That EC2
says InvalidParameterCombination of others is our reading; AWS names no code.
"""

from functools import cache
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError, InvalidParameterCombination
from moto.ec2.responses import EC2Response
from moto.ec2.responses.instances import InstanceResponse
from moto.moto_api._internal import mock_random

from localcloud.account import ec2_backend
from localcloud.patches.ec2 import ENDED, machine_size
from localcloud.patches.launch_checks import launch_zone
from localcloud.world import World

Reservation = dict[str, Any]
TARGET = "CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId"


def _reservations(backend: Any) -> dict[str, Reservation]:
    found: dict[str, Reservation] = vars(backend).setdefault("capacity_reservations", {})
    return found


def _require(backend: Any, reservation_id: str) -> Reservation:
    try:
        return _reservations(backend)[reservation_id]
    except KeyError as error:
        raise EC2ClientError(
            "InvalidCapacityReservationId.NotFound",
            f"The capacity reservation ID '{reservation_id}' does not exist",
        ) from error


def _create(self: Any) -> ActionResult:
    kind = self._get_param("InstanceType")
    machine_size(kind)
    reservation_id = f"cr-{mock_random.get_random_hex(17)}"
    made = {
        "CapacityReservationId": reservation_id,
        "InstanceType": kind,
        "InstancePlatform": self._get_param("InstancePlatform"),
        "AvailabilityZone": self._get_param("AvailabilityZone"),
        "TotalInstanceCount": self._get_int_param("InstanceCount"),
        "InstanceMatchCriteria": self._get_param("InstanceMatchCriteria", "open"),
        "Tenancy": "default",
        "State": "active",
        "EndDateType": "unlimited",
        "CreateDate": utcnow(),
    }
    _reservations(self.ec2_backend)[reservation_id] = made
    return ActionResult({"CapacityReservation": _described(made)})


def _describe(self: Any) -> ActionResult:
    backend, ids = self.ec2_backend, self._get_param("CapacityReservationIds", [])
    found = [_require(backend, one) for one in ids] or _reservations(backend).values()
    return ActionResult({"CapacityReservations": [_described(one) for one in found]})


def _cancel(self: Any) -> ActionResult:
    _require(self.ec2_backend, self._get_param("CapacityReservationId"))["State"] = "cancelled"
    return ActionResult({"Return": True})


def _described(reservation: Reservation) -> Reservation:
    return reservation | {"AvailableInstanceCount": _left(reservation)}


def _left(reservation: Reservation) -> int:
    """Return how many more instances a reservation has room for."""
    reservation_id = reservation["CapacityReservationId"]
    used: int = sum(
        getattr(instance, "capacity_reservation_id", "") == reservation_id
        and instance.state not in (*ENDED, "stopped")
        for instance in ec2_backend().all_instances()
    )
    return int(reservation["TotalInstanceCount"]) - used


def _launch_into(response: Any, reservation: Reservation) -> None:
    """Lower the request's MaxCount to the room there is; raise when that is below its MinCount."""
    wanted = (response._get_param("InstanceType", "m1.small"), launch_zone(response))
    if wanted != (reservation["InstanceType"], reservation["AvailabilityZone"]):
        raise InvalidParameterCombination(
            f"The targeted Capacity Reservation is of {reservation['InstanceType']} in "
            f"{reservation['AvailabilityZone']}, and the instances of {wanted[0]} in {wanted[1]}."
        )
    least, most = response._get_int_param("MinCount", 1), response._get_int_param("MaxCount", 1)
    left = _left(reservation) if reservation["State"] == "active" else 0
    if left < least:
        raise EC2ClientError(
            "ReservationCapacityExceeded",
            "The requested reservation does not have sufficient compatible and available capacity "
            "for this request.",
        )
    response.params = {**response.params, "MaxCount": min(most, left)}


@cache
def install() -> None:
    EC2Response.create_capacity_reservation = _create
    EC2Response.describe_capacity_reservations = _describe
    EC2Response.cancel_capacity_reservation = _cancel
    run_instances = InstanceResponse.run_instances

    def run_reserved(self: Any) -> Any:
        reservation_id = self._get_param(TARGET)
        if not reservation_id:
            return run_instances(self)
        _launch_into(self, _require(self.ec2_backend, reservation_id))
        answer = run_instances(self)
        for instance in answer.result.instances:
            instance.capacity_reservation_id = reservation_id
        return answer

    InstanceResponse.run_instances = run_reserved


def attach(world: World) -> None:
    """Nothing happens here by itself."""
