"""The packages in the images of two releases, compared by their inventories."""

from pathlib import Path

from bake.catalog import image_by_id
from common.clients import Clients
from deploy.release.package_changes import SHOWN, ImageChange, image_changes
from tests.unit.bake.inventories import keep_inventory
from tests.unit.deploy.builders import a_release
from tests.unit.deploy.conftest import Cluster, bake

BUCKET = "images"


def an_ami(clients: Clients, folder: Path, bash: str) -> str:
    image = image_by_id(clients, bake(clients, "head"))
    parts = {"debian": {"bash": [bash, "amd64", "bash"]}, "units": {"of.service": bash}}
    keep_inventory(clients, BUCKET, image.digest, image.ami_id, folder, **parts)
    return image.ami_id


def test_packages_are_compared_for_roles_with_another_image(
    cluster: Cluster, tmp_path: Path
) -> None:
    old, new = (an_ami(cluster.clients, tmp_path, version) for version in ("5.2", "5.3"))

    found = image_changes(cluster.clients, BUCKET, a_release(head=old), a_release(head=new))

    assert found == (ImageChange("head", ("debian bash: 5.2 → 5.3",)),)
    assert found[0].words == ("head debian bash: 5.2 → 5.3",)


def test_an_image_without_an_inventory_is_unknown(cluster: Cluster, tmp_path: Path) -> None:
    old, new = bake(cluster.clients, "head"), an_ami(cluster.clients, tmp_path, "5.3")

    (found,) = image_changes(cluster.clients, BUCKET, a_release(head=old), a_release(head=new))

    assert found.packages is None
    assert "not known" in found.words[0]


def test_the_same_images_take_no_call(cluster: Cluster) -> None:
    before = cluster.clients.calls

    assert image_changes(cluster.clients, BUCKET, a_release(), a_release()) == ()
    assert cluster.clients.calls == before


def test_a_long_list_is_cut_with_a_count() -> None:
    packages = tuple(f"debian p{number}: 1 → 2" for number in range(SHOWN + 3))

    words = ImageChange("worker", packages).words

    assert words[-1] == "worker: 3 more"
    assert len(words) == SHOWN + 1
