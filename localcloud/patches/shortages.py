"""No capacity, on request: RunInstances refuses what a test declares short.

Follows https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html
(InsufficientInstanceCapacity). A shortage is of an instance type in an Availability Zone; "*" is
all of them. moto never runs out of capacity. A file declares shortages too (``follow``), so that
another process can.
"""

from fnmatch import fnmatch
from functools import cache
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.instances import InstanceResponse

from localcloud.declarations import Declarations
from localcloud.world import World

CODE = "InsufficientInstanceCapacity"

_declared: set[tuple[str, str]] = set()
_written = Declarations()
follow = _written.follow  # per line a type and a zone


def declare(instance_type: str = "*", zone: str = "*") -> None:
    """From now on there is no capacity for that type in that zone."""
    _declared.add((instance_type, zone))


def clear() -> None:
    """End all declared shortages."""
    _declared.clear()


def is_short(instance_type: str, zone: str) -> bool:
    short = _declared.union(_written.pairs())
    return any(fnmatch(instance_type, kind) and fnmatch(zone, where) for kind, where in short)


def _refuse_if_short(response: Any) -> None:
    kind = response._get_param("InstanceType", "m1.small")
    zone = response._get_param("Placement.AvailabilityZone", f"{response.region}a")
    interfaces = response._get_param("NetworkInterfaces", [{}])
    subnet_id = response._get_param("SubnetId") or interfaces[0].get("SubnetId")
    if subnet_id:
        zone = response.ec2_backend.get_subnet(subnet_id).availability_zone
    if is_short(kind, zone):
        raise EC2ClientError(
            CODE,
            f"We currently do not have sufficient {kind} capacity in the Availability Zone you "
            f"requested ({zone}). Our system will be working on provisioning additional capacity.",
        )


@cache
def install() -> None:
    run_instances = InstanceResponse.run_instances

    def run_unless_short(self: Any) -> Any:
        _refuse_if_short(self)
        return run_instances(self)

    InstanceResponse.run_instances = run_unless_short


def attach(world: World) -> None:
    """A new world has no declared shortages."""
    clear()
