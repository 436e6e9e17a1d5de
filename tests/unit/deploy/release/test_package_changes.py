"""The packages in the images of two releases, compared by their tags."""

from bake.software import Software, software_tags
from common.clients import Clients
from deploy.release.package_changes import SHOWN, ImageChange, image_changes
from tests.unit.deploy.builders import a_release
from tests.unit.deploy.conftest import Cluster, bake


def an_ami(clients: Clients, software: Software | None) -> str:
    ami_id = bake(clients, "head")
    tags = software_tags(software) if software else {"Name": "head"}
    clients("ec2").create_tags(
        Resources=[ami_id], Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
    )
    return ami_id


def test_packages_are_compared_for_roles_with_another_image(cluster: Cluster) -> None:
    old = an_ami(cluster.clients, {"debian": {"bash": "5.2"}, "python": {"ray": "2.60.0"}})
    new = an_ami(cluster.clients, {"debian": {"bash": "5.3"}, "python": {"ray": "2.60.0"}})

    found = image_changes(cluster.clients, a_release(head=old), a_release(head=new))

    assert found == (ImageChange("head", ("debian bash: 5.2 → 5.3",)),)
    assert found[0].words == ("head debian bash: 5.2 → 5.3",)


def test_an_image_without_a_package_list_is_unknown(cluster: Cluster) -> None:
    old = an_ami(cluster.clients, None)
    new = an_ami(cluster.clients, {"debian": {"bash": "5.3"}, "python": {}})

    (found,) = image_changes(cluster.clients, a_release(head=old), a_release(head=new))

    assert found.packages is None
    assert "not known" in found.words[0]


def test_the_same_images_take_no_call(cluster: Cluster) -> None:
    before = cluster.clients.calls

    assert image_changes(cluster.clients, a_release(), a_release()) == ()
    assert cluster.clients.calls == before


def test_a_long_list_is_cut_with_a_count() -> None:
    packages = tuple(f"debian p{number}: 1 → 2" for number in range(SHOWN + 3))

    words = ImageChange("worker", packages).words

    assert words[-1] == "worker: 3 more"
    assert len(words) == SHOWN + 1
