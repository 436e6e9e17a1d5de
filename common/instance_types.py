"""What EC2 says of instance types: processors, memory, disks, network. Reads AWS (EC2)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from common.accelerators import RAYS_NAMES
from common.clients import Clients, error_code, translated
from common.errors import Refused

# InstanceTypes has at most 100 members:
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html
AT_ONCE = 100
UNKNOWN = {"InvalidInstanceType", "InvalidParameterValue"}


@dataclass(frozen=True)
class TypeFacts:
    """One instance type. ``gpus`` are those that Ray counts as GPUs, ``accelerator`` is Ray's name
    for them, if it has one.
    """

    name: str
    vcpus: int
    gpus: int
    architectures: tuple[str, ...]
    accelerator: str = ""
    memory_mib: int = 0
    # Of the NVMe instance store; ``disk_gb`` is the size of each.
    disks: int = 0
    disk_gb: int = 0
    efa_interfaces: int = 0  # at most, one for each network card; 0: no EFA
    placements: tuple[str, ...] = ()  # strategies of placement groups
    markets: tuple[str, ...] = ("on-demand", "spot")


def type_facts(clients: Clients, names: Iterable[str]) -> dict[str, TypeFacts]:
    """Return the facts of instance types by name; raises Refused for types that do not exist."""
    wanted = sorted(set(names))
    found: dict[str, TypeFacts] = {}
    for first in range(0, len(wanted), AT_ONCE):
        for entry in _described(clients, wanted[first : first + AT_ONCE]):
            found[entry["InstanceType"]] = _facts(entry)
    return found


def _described(clients: Clients, names: list[str]) -> list[dict[str, Any]]:
    with translated("reading the facts of the instance types"):
        try:
            answer = clients("ec2").describe_instance_types(InstanceTypes=names)
        except ClientError as error:
            if error_code(error) not in UNKNOWN:
                raise
            raise Refused(
                f"EC2 does not know every instance type in {clients.region}: "
                + error.response["Error"]["Message"],
                hint="correct instance_type and instance_types in the environment's file",
            ) from error
    return list(answer["InstanceTypes"])


def _facts(entry: dict[str, Any]) -> TypeFacts:
    """Parse a type; Ray counts ``GpuInfo`` too (_private/aws/node_provider.py, Ray 2.60).

    A fraction of a GPU is a device of its own for its driver, and so for Ray on the node: EC2
    counts it in LogicalGpuCount alone.
    """
    gpus = entry.get("GpuInfo", {}).get("Gpus", [])
    disks = _nvme_disks(entry.get("InstanceStorageInfo", {}))
    efa = entry.get("NetworkInfo", {}).get("EfaInfo", {})
    return TypeFacts(
        name=entry["InstanceType"],
        vcpus=int(entry["VCpuInfo"]["DefaultVCpus"]),
        gpus=sum(int(gpu.get("LogicalGpuCount") or gpu["Count"]) for gpu in gpus),
        architectures=tuple(entry["ProcessorInfo"]["SupportedArchitectures"]),
        accelerator=RAYS_NAMES.get(gpus[0]["Name"], "") if gpus else "",
        memory_mib=int(entry.get("MemoryInfo", {}).get("SizeInMiB", 0)),
        disks=sum(int(disk["Count"]) for disk in disks),
        disk_gb=min((int(disk["SizeInGB"]) for disk in disks), default=0),
        efa_interfaces=int(efa.get("MaximumEfaInterfaces", 0)),
        placements=tuple(entry.get("PlacementGroupInfo", {}).get("SupportedStrategies", [])),
        markets=tuple(entry["SupportedUsageClasses"]),
    )


def _nvme_disks(storage: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the disks; of older types they are no NVMe disks, and need mappings of their own.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-store-volumes.html
    """
    return storage.get("Disks", []) if storage.get("NvmeSupport") != "unsupported" else []
