"""What instance types must have for what an environment asks of them. Pure: no AWS."""

from collections.abc import Iterator, Mapping

from common.environment import Environment
from common.image_settings import ImageSettings
from common.instance_types import TypeFacts
from common.nodes import FileSystem
from common.worker_groups import WorkerGroup

# Of Debian and Ubuntu. A base may have them already; naming them then changes nothing.
NFS_PACKAGE = "nfs-common"
STRIPE_PACKAGE = "btrfs-progs"
# Ray keeps its objects in /dev/shm and does not start with more than fits
# (ray/_private/services.py, Ray 2.60). That has half of the memory that the kernel sees, which is
# a few per cent less than the type's. https://docs.kernel.org/filesystems/tmpfs.html
SHARED_MEMORY = 0.45
MIB_PER_GIB = 1024


def mistakes(environment: Environment, facts: Mapping[str, TypeFacts]) -> Iterator[str]:
    """Yield a line for each key that asks for what its instance types or its image lack."""
    head = environment.head
    image = environment.image_named(head.image)
    types = [facts[head.instance_type]]
    yield from _other_architecture("head.instance_type", types, image)
    yield from _file_systems("head.efs", (*environment.nodes.efs, *head.efs), image)
    for name, group in sorted(environment.workers.items()):
        place = f"workers.{name}"
        image = environment.image_named(group.image)
        types = [facts[kind] for kind in group.instance_types]
        yield from _other_architecture(f"{place}.instance_types", types, image)
        yield from _different(f"{place}.instance_types", types)
        yield from _file_systems(f"{place}.efs", (*environment.nodes.efs, *group.efs), image)
        yield from _of_group(place, group, types, image)


def _other_architecture(place: str, types: list[TypeFacts], image: ImageSettings) -> Iterator[str]:
    for kind in types:
        if image.architecture not in kind.architectures:
            words = " and ".join(kind.architectures)
            yield f"{place}: {kind.name} is {words}, the image {image.architecture}"


def _different(place: str, types: list[TypeFacts]) -> Iterator[str]:
    """Ray counts on the same of each node of a group, whichever type it is."""
    if len({(kind.vcpus, kind.gpus) for kind in types}) > 1:
        words = ", ".join(f"{kind.name} has {kind.vcpus} and {kind.gpus}" for kind in types)
        yield f"{place}: the types of a group need the same vCPUs and GPUs: {words}"


def _of_group(
    place: str, group: WorkerGroup, types: list[TypeFacts], image: ImageSettings
) -> Iterator[str]:
    yield from _no_market(f"{place}.market", group, types)
    yield from _too_little_memory(f"{place}.object_store_gib", group.object_store_gib, types)
    if group.instance_store == "spill":
        yield from _no_disks(f"{place}.instance_store", types, image)
    if group.placement:
        yield from _no_placement(f"{place}.placement", group.placement, types)
    if group.efa:
        yield from _no_efa(f"{place}.efa", types)


def _no_market(place: str, group: WorkerGroup, types: list[TypeFacts]) -> Iterator[str]:
    """EC2 sells some types on demand alone, or only as blocks of capacity (SupportedUsageClasses).

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceTypeInfo.html
    """
    for kind in types:
        for market in group.markets:
            if market not in kind.markets:
                yield f"{place}: {kind.name} is not to be had as {market}, but as " + (
                    " and ".join(kind.markets)
                )


def _too_little_memory(place: str, gib: int, types: list[TypeFacts]) -> Iterator[str]:
    for kind in types:
        most = int(kind.memory_mib * SHARED_MEMORY / MIB_PER_GIB)
        if gib > most:
            has = f"{kind.name} has {kind.memory_mib / MIB_PER_GIB:g} GiB of memory"
            yield f"{place}: {has}, so that {most} is the most"


def _no_disks(place: str, types: list[TypeFacts], image: ImageSettings) -> Iterator[str]:
    """Several disks are joined by btrfs (node/storage/disks.py), which not every base has."""
    for kind in types:
        if not kind.disks:
            yield f"{place}: {kind.name} has no NVMe instance store"
        elif kind.disks > 1 and STRIPE_PACKAGE not in image.packages:
            yield f"{place}: {kind.name} has {kind.disks} disks: {_add(STRIPE_PACKAGE)}"


def _no_placement(place: str, strategy: str, types: list[TypeFacts]) -> Iterator[str]:
    """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/placement-strategies.html"""
    for kind in types:
        if strategy not in kind.placements:
            yield f"{place}: {kind.name} cannot be in a {strategy} placement group"


def _no_efa(place: str, types: list[TypeFacts]) -> Iterator[str]:
    """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa.html, "Supported instance types"."""
    without = [kind.name for kind in types if not kind.efa_interfaces]
    yield from (f"{place}: {name} has no EFA" for name in without)
    if not without and len({kind.efa_interfaces for kind in types}) > 1:
        words = ", ".join(f"{kind.name} has {kind.efa_interfaces}" for kind in types)
        yield f"{place}: the types of a group need the same number of EFA interfaces: {words}"


def _file_systems(
    place: str, mounted: tuple[FileSystem, ...], image: ImageSettings
) -> Iterator[str]:
    if mounted and NFS_PACKAGE not in image.packages:
        yield f"{place}: EFS is mounted by NFS: {_add(NFS_PACKAGE)}"


def _add(package: str) -> str:
    return f'add "{package}" to packages of its image'
