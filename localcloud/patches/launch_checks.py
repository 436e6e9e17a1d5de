"""RunInstances refuses types, images and volumes that do not exist or do not fit each other.

Follows, in the EC2 API, "Error codes for the Amazon EC2 API"
(https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html: InvalidParameterValue,
InvalidAMIID.NotFound, InvalidAMIID.Unavailable, InvalidBlockDeviceMapping, Unsupported),
"Compatibility for changing the instance type" (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/
resize-limitations.html: the architecture is the AMI's) and EbsBlockDevice
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EbsBlockDevice.html: sizes, IOPS,
throughput and VolumeInitializationRate); the ratios are those of https://docs.aws.amazon.com/ebs/latest/userguide/
general-purpose.html. The words are EC2's own, as its users quote them. moto launches any image on
any type, with any volume.

A launch template may be created with all of this: EC2 checks what is launched.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES
from moto.ec2.responses.instances import InstanceResponse

from localcloud.account import REGION
from localcloud.patches.machine_images import require_available, root_gib
from localcloud.world import World

Data = Mapping[str, Any]

GIB_LIMITS = {"gp2": (1, 16_384), "gp3": (1, 65_536), "io1": (4, 16_384), "io2": (4, 65_536)}
GP3_IOPS = (3_000, 80_000)
GP3_THROUGHPUT = (125, 2_000)  # MiB/s
INITIALIZATION_RATES = (100, 300)  # MiB/s
IOPS_PER_GIB = 500
THROUGHPUT_PER_IOPS = 0.25


def launch_zone(response: Any) -> str:
    """Return the Availability Zone that a request of RunInstances launches into."""
    interfaces = response._get_param("NetworkInterfaces", [{}])
    subnet_id = response._get_param("SubnetId") or interfaces[0].get("SubnetId")
    if subnet_id:
        return str(response.ec2_backend.get_subnet(subnet_id).availability_zone)
    return str(response._get_param("Placement.AvailabilityZone", f"{response.region}a"))


@cache
def zones_of(instance_type: str) -> tuple[str, ...]:
    """Return the zones that offer an instance type, as DescribeInstanceTypeOfferings does."""
    offered = INSTANCE_TYPE_OFFERINGS["availability-zone"][REGION]
    return tuple(sorted(o["Location"] for o in offered if o["InstanceType"] == instance_type))


def _check(response: Any) -> None:
    kind = response._get_param("InstanceType", "m1.small")
    if kind not in INSTANCE_TYPES:
        raise EC2ClientError("InvalidParameterValue", f"Invalid value '{kind}' for InstanceType.")
    ami = require_available(response.ec2_backend, response._get_param("ImageId"))
    _check_architecture(kind, ami.architecture)
    _check_zone(kind, launch_zone(response))
    _check_volumes(ami, response._get_param("BlockDeviceMappings", []))


def _check_architecture(kind: str, architecture: str) -> None:
    supported = INSTANCE_TYPES[kind]["ProcessorInfo"]["SupportedArchitectures"]
    if architecture not in supported:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"The architecture '{','.join(supported)}' of the specified instance type does not "
            f"match the architecture '{architecture}' of the specified AMI. Specify an instance "
            "type and an AMI that have matching architectures, and try again. You can use "
            "'describe-instance-types' or 'describe-images' to discover the architecture of the "
            "instance type or AMI.",
        )


def _check_zone(kind: str, zone: str) -> None:
    offered = zones_of(kind)
    if zone not in offered:
        raise EC2ClientError(
            "Unsupported",
            f"Your requested instance type ({kind}) is not supported in your requested "
            f"Availability Zone ({zone}). Please retry your request by not specifying an "
            f"Availability Zone or choosing {', '.join(offered)}.",
        )


def _check_volumes(ami: Any, mappings: Iterable[Data]) -> None:
    for mapping in mappings:
        volume: Data = mapping.get("Ebs") or {}
        is_root = mapping.get("DeviceName") == ami.root_device_name
        least = root_gib(ami) if is_root else 0
        size = int(volume.get("VolumeSize") or least)
        if size < least:
            raise EC2ClientError(
                "InvalidBlockDeviceMapping",
                f"Volume of size {size}GB is smaller than snapshot '{ami.ebs_snapshot.id}', "
                f"expect size >= {least}GB",
            )
        if rate := volume.get("VolumeInitializationRate"):
            _check_range("Volume initialization rate", int(rate), INITIALIZATION_RATES)
        if volume:
            _check_volume(volume, size)


def _check_volume(volume: Data, size: int) -> None:
    kind = volume.get("VolumeType", "gp2")
    if size and kind in GIB_LIMITS:
        _check_range("Volume size", size, GIB_LIMITS[kind])
    if kind != "gp3":
        return
    iops = int(volume.get("Iops") or GP3_IOPS[0])
    throughput = int(volume.get("Throughput") or GP3_THROUGHPUT[0])
    _check_range("Volume iops", iops, GP3_IOPS)
    _check_range("Volume throughput", throughput, GP3_THROUGHPUT)
    if iops > GP3_IOPS[0] and size and iops > IOPS_PER_GIB * size:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"Iops to volume size ratio of {iops / size:.6f} is too high; "
            f"maximum is {IOPS_PER_GIB}",
        )
    if throughput > THROUGHPUT_PER_IOPS * iops:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"Throughput (MiBps) to iops ratio of {throughput / iops:.6f} is too high; "
            f"maximum is {THROUGHPUT_PER_IOPS:.6f} MiBps per iops",
        )


def _check_range(what: str, value: int, limits: tuple[int, int]) -> None:
    least, most = limits
    if value < least:
        words = f"{what} of {value} is too low; minimum is {least}."
    elif value > most:
        words = f"{what} of {value} is too high; maximum is {most}."
    else:
        return
    raise EC2ClientError("InvalidParameterValue", words)


@cache
def install() -> None:
    run_instances = InstanceResponse.run_instances

    def run_checked(self: Any) -> Any:
        _check(self)
        return run_instances(self)

    InstanceResponse.run_instances = run_checked


def attach(world: World) -> None:
    """Nothing happens here by itself."""
