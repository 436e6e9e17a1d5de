"""What instance types must have for what an environment asks of them."""

from typing import Any

import pytest

from common.instance_types import TypeFacts
from deploy.release.type_checks import mistakes
from tests.unit.deploy.builders import an_environment

INTEL = ("x86_64",)
ANYWHERE = ("cluster", "partition", "spread")
FACTS = {
    facts.name: facts
    for facts in (
        TypeFacts("m6i.large", 2, 0, INTEL, memory_mib=8192, placements=ANYWHERE),
        TypeFacts("m6id.large", 2, 0, INTEL, memory_mib=8192, disks=1, placements=ANYWHERE),
        TypeFacts("t3.large", 2, 0, INTEL, memory_mib=8192, placements=("partition", "spread")),
        TypeFacts("p4d.24xlarge", 96, 8, INTEL, disks=8, efa_interfaces=4, placements=ANYWHERE),
        TypeFacts("hpc6a.48xlarge", 96, 0, INTEL, markets=("on-demand",)),
        TypeFacts("p4de.24xlarge", 96, 8, INTEL, disks=8, efa_interfaces=4, placements=ANYWHERE),
        TypeFacts("p5.48xlarge", 96, 8, INTEL, disks=8, efa_interfaces=32, placements=ANYWHERE),
    )
}
IMAGE = {"base_name": "debian-12-*", "base_owner": "136693071363"}
HEAD = {"instance_type": "m6i.large"}
ZONE = ("us-east-1a",)
SHARED = ({"id": "fs-0123456789abcdef0", "mount": "/shared"},)


def found(
    *types: str, packages: tuple[str, ...] = (), head: dict[str, Any] | None = None, **group: Any
) -> list[str]:
    environment = an_environment(
        image={**IMAGE, "packages": packages},
        head=HEAD | (head or {}),
        workers={"gpu": {"instance_types": types, "min": 0, "max": 8, **group}},
    )
    return list(mistakes(environment, FACTS))


def test_an_instance_store_needs_disks() -> None:
    assert found("m6id.large", instance_store="spill") == []
    assert found("m6id.large", "m6i.large", instance_store="spill") == [
        "workers.gpu.instance_store: m6i.large has no NVMe instance store"
    ]


def test_several_disks_need_a_package_of_the_image() -> None:
    assert found("p4d.24xlarge", instance_store="spill") == [
        'workers.gpu.instance_store: p4d.24xlarge has 8 disks: add "btrfs-progs" to packages of '
        "its image"
    ]
    assert found("p4d.24xlarge", instance_store="spill", packages=("btrfs-progs",)) == []


@pytest.mark.parametrize("market", ["spot", "spot-then-on-demand"])
def test_a_type_that_is_never_on_spot_is_refused_there(market: str) -> None:
    assert found("hpc6a.48xlarge") == []
    assert found("hpc6a.48xlarge", market=market) == [
        "workers.gpu.market: hpc6a.48xlarge is not to be had as spot, but as on-demand"
    ]


def test_efa_needs_types_that_have_it_and_as_much_of_it() -> None:
    assert found("p4d.24xlarge", "p4de.24xlarge", efa=True, zones=ZONE) == []
    assert found("m6i.large", efa=True, zones=ZONE) == ["workers.gpu.efa: m6i.large has no EFA"]
    assert found("p4d.24xlarge", "p5.48xlarge", efa=True, zones=ZONE) == [
        "workers.gpu.efa: the types of a group need the same number of EFA interfaces: "
        "p4d.24xlarge has 4, p5.48xlarge has 32"
    ]


def test_burstable_types_cannot_be_placed_close_together() -> None:
    assert found("m6i.large", placement="cluster", zones=ZONE) == []
    assert found("t3.large", placement="cluster", zones=ZONE) == [
        "workers.gpu.placement: t3.large cannot be in a cluster placement group"
    ]


@pytest.mark.parametrize(("gib", "refused"), [(0, False), (3, False), (4, True)])
def test_the_object_store_fits_into_shared_memory(gib: int, refused: bool) -> None:
    words = "workers.gpu.object_store_gib: m6i.large has 8 GiB of memory, so that 3 is the most"
    assert found("m6i.large", object_store_gib=gib) == ([words] if refused else [])


def test_efs_needs_nfs_in_the_images_of_the_nodes_that_mount_it() -> None:
    words = 'efs: EFS is mounted by NFS: add "nfs-common" to packages of its image'

    assert found("m6i.large", efs=SHARED) == [f"workers.gpu.{words}"]
    assert found("m6i.large", head={"efs": SHARED}) == [f"head.{words}"]
    assert found("m6i.large", efs=SHARED, packages=("nfs-common",)) == []
